"""Walks a MongoDB query, lets only listed stages and operators through, and puts parameters where values may be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from connectors._mongodb_regex import check_regex, refusal
from connectors._mongodb_words import (
    CONDITIONS,
    EXPRESSIONS,
    GEOMETRY,
    LITERALS,
    LOGICAL,
    REGEX_EXPRESSIONS,
    TEXT_SEARCH,
)

_MAX_DEPTH = 80
Bind = Callable[[str], Any]


class Guard:
    """Every method takes a part of the query and its place in it, and returns the part with its parameters put in.

    Args:
        bind: gives the value of a parameter as the driver wants it; None when there are no values yet.

    Attributes:
        parameters: names that were met.
    """

    def __init__(self, bind: Bind | None) -> None:
        self._bind = bind
        self.parameters: set[str] = set()

    def query(self, part: Any, place: str) -> dict[str, Any]:
        """Conditions, as in find and $match."""
        return {key: self._query_item(key, value, f"{place}.{key}") for key, value in an_object(part, place).items()}

    def projection(self, part: dict[str, Any], place: str) -> dict[str, Any]:
        """As in find: besides expressions, $elemMatch holds conditions."""
        found = {}
        for name, value in part.items():
            here = f"{place}.{name}"
            if name.startswith("$"):
                raise not_listed(here)
            if isinstance(value, dict) and list(value) == ["$elemMatch"]:
                found[name] = {"$elemMatch": self._element(value["$elemMatch"], here)}
            else:
                found[name] = self.expression(value, here)
        return found

    def sort(self, part: Any, place: str) -> dict[str, Any]:
        for name, direction in an_object(part, place).items():
            is_direction = direction in (1, -1) and not isinstance(direction, (bool, float))
            if not (is_direction or direction == {"$meta": "textScore"}):
                raise refusal(f"{place}.{name} must be 1 or -1")
        return dict(part)

    def count(self, part: Any, place: str) -> Any:
        """A number that is not negative, as in limit and skip."""
        if name := _parameter(part, place):
            part = self._value(name)
            if self._bind is None:
                return 0
        if not isinstance(part, int) or isinstance(part, bool) or part < 0:
            raise refusal(f"{place} must be an integer that is not negative")
        return part

    def expressions(self, part: Any, place: str) -> dict[str, Any]:
        """Expressions by name; a name is no operator."""
        for name in an_object(part, place):
            if name.startswith("$"):
                raise not_listed(f"{place}.{name}")
        return {name: self.expression(value, f"{place}.{name}") for name, value in part.items()}

    def expression(self, part: Any, place: str) -> Any:
        """An aggregation expression; a parameter in it is a literal, whatever its text looks like."""
        check_depth(place)
        if isinstance(part, list):
            return [self.expression(item, f"{place}.{position}") for position, item in enumerate(part)]
        if not isinstance(part, dict) or _is_literal(part):
            return part
        if name := _parameter(part, place):
            return {"$literal": self._value(name)}
        return {key: self._expression_item(key, value, f"{place}.{key}") for key, value in part.items()}

    def _expression_item(self, key: str, value: Any, place: str) -> Any:
        if key.startswith("$") and key not in EXPRESSIONS:
            raise not_listed(place)
        if key == "$literal":
            return self._literal(value, place)
        if key in REGEX_EXPRESSIONS:
            return self._regex_expression(an_object(value, place), place)
        return self.expression(value, place)

    def _regex_expression(self, part: dict[str, Any], place: str) -> dict[str, Any]:
        walked = self.expressions({key: value for key, value in part.items() if key != "regex"}, place)
        return {**walked, "regex": {"$literal": self._regex(part.get("regex"), f"{place}.regex")}}

    def _query_item(self, key: str, value: Any, place: str) -> Any:
        check_depth(place)
        if key in LOGICAL:
            if not isinstance(value, list):
                raise refusal(f"{place} must be a list of conditions")
            return [self.query(item, f"{place}.{position}") for position, item in enumerate(value)]
        if key == "$expr":
            return self.expression(value, place)
        if key == "$text":
            return self._listed(value, TEXT_SEARCH, place)
        if key.startswith("$"):
            raise not_listed(place)
        return self._condition(value, place)

    def _condition(self, part: Any, place: str) -> Any:
        if not _has_operators(part):
            return self._literal(part, place)
        return {key: self._condition_item(key, value, f"{place}.{key}") for key, value in part.items()}

    def _condition_item(self, key: str, value: Any, place: str) -> Any:
        check_depth(place)
        if key not in CONDITIONS:
            raise not_listed(place)
        if key in ("$in", "$nin", "$all"):
            return self._members(value, place)
        if key == "$elemMatch":
            return self._element(value, place)
        if key == "$not":
            return self._condition(an_object(value, place), place)
        if key == "$regex":
            return self._regex(value, place)
        if key in ("$geoWithin", "$geoIntersects"):
            return self._listed(value, GEOMETRY, place)
        return self._literal(value, place)

    def _members(self, value: Any, place: str) -> list[Any]:
        """A list, or a parameter that is one."""
        if name := _parameter(value, place):
            found = self._value(name)
            return found if isinstance(found, list) else [found]
        if not isinstance(value, list):
            raise refusal(f"{place} must be a list or a parameter")
        return [
            self._condition(item, place)
            if isinstance(item, dict) and "$elemMatch" in item
            else self._literal(item, place)
            for item in value
        ]

    def _element(self, value: Any, place: str) -> Any:
        """What $elemMatch holds: conditions on the element itself or on its fields."""
        is_own = _has_operators(value) and not LOGICAL.intersection(value)
        return self._condition(value, place) if is_own else self.query(value, place)

    def _listed(self, part: Any, allowed: frozenset[str], place: str) -> dict[str, Any]:
        for key in an_object(part, place):
            if key not in allowed:
                raise not_listed(f"{place}.{key}")
        return {key: self._literal(value, f"{place}.{key}") for key, value in part.items()}

    def _literal(self, part: Any, place: str) -> Any:
        """A value: nothing in it is an operator."""
        check_depth(place)
        if isinstance(part, list):
            return [self._literal(item, f"{place}.{position}") for position, item in enumerate(part)]
        if not isinstance(part, dict) or _is_literal(part):
            return part
        if name := _parameter(part, place):
            return self._value(name)
        for key in part:
            if key.startswith("$"):
                raise not_listed(f"{place}.{key}")
        return {key: self._literal(value, f"{place}.{key}") for key, value in part.items()}

    def plain(self, part: Any, place: str) -> Any:
        """Names and settings of a stage: no operators, and no parameters, for some of the texts are fields."""
        if isinstance(part, dict):
            if _is_literal(part):
                return part
            for key in part:
                if key.startswith("$"):
                    raise not_listed(f"{place}.{key}")
            return {key: self.plain(value, f"{place}.{key}") for key, value in part.items()}
        return [self.plain(item, place) for item in part] if isinstance(part, list) else part

    def _regex(self, part: Any, place: str) -> str:
        if name := _parameter(part, place):
            part = self._value(name)
            if self._bind is None:
                return ""
        return check_regex(part, place)

    def _value(self, name: str) -> Any:
        self.parameters.add(name)
        return self._bind(name) if self._bind else None


def an_object(part: Any, place: str) -> dict[str, Any]:
    if not isinstance(part, dict):
        raise refusal(f"{place} must be an object")
    return part


def _parameter(part: Any, place: str) -> str | None:
    """The name, if this is `{"$param": name}`."""
    if not isinstance(part, dict) or "$param" not in part:
        return None
    name = part["$param"]
    if len(part) > 1 or not isinstance(name, str) or not name.isidentifier():
        raise refusal(f'{place} must be {{"$param": "name"}}')
    return name


def _is_literal(part: dict[str, Any]) -> bool:
    """Extended JSON: a value, not an operator."""
    if len(part) != 1:
        return False
    key, value = next(iter(part.items()))
    return key in LITERALS and (isinstance(value, str) or (key in ("$date", "$binary") and _holds_no_operators(value)))


def _holds_no_operators(value: Any) -> bool:
    return isinstance(value, dict) and all(
        key in ("$numberLong", "base64", "subType") and isinstance(item, str) for key, item in value.items()
    )


def _has_operators(part: Any) -> bool:
    return (
        isinstance(part, dict)
        and any(key.startswith("$") for key in part)
        and not _is_literal(part)
        and "$param" not in part
    )


def check_depth(place: str) -> None:
    if place.count(".") > _MAX_DEPTH:
        raise refusal("it is nested too deeply")


def not_listed(place: str) -> Exception:
    word = place.rsplit(".", 1)[-1]
    return refusal(f"{place}: {word} is not among the stages and operators that may be used here")
