"""Our own small templates for file names, subjects, texts and folders: `{report}_{date:%Y-%m-%d}`.

A placeholder is a known name, optionally with a date format from a short list; `{{` and `}}` stand for braces. There
is no attribute access, no index, no conversion and no width (Python's str.format has them: `{report.__class__}` reaches
everything and `{report:>2000000000}` builds two gigabytes).
"""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from shared.errors import InvalidInput

_MAX_TEMPLATE = 65_536
_MAX_RESULT = 65_536
_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_PLACEHOLDER = re.compile(r"([a-z_][a-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)?)(?::(.+))?\Z", re.DOTALL)
_DIRECTIVES = set("aAbBdHIjmMpuUVyYGSzZ")
_UNSENDABLE = re.compile("[\x00\ud800-\udfff]")
_UTC_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(?:\.[0-9]{6})?\+00:00")
NAMES = ("report", "date", "time", "datetime", "scheduled_for", "execution_id", "rows")
"""Names that every template may use, besides `param.<name>`."""
_TEXTS = frozenset({"report", "time", "execution_id", "rows"})
"""Those of them that take no date format."""


def template_context(
    *,
    report: str,
    scheduled_for: datetime,
    timezone: str,
    execution_id: str,
    rows: int,
    parameters: Mapping[str, Any],
) -> dict[str, Any]:
    """The values by name. Dates and times are in the schedule's zone, also those of parameters (values or JSON)."""
    zone = ZoneInfo(timezone)
    local = scheduled_for.astimezone(zone)
    return {
        "report": report,
        "date": local.date(),
        "time": local.strftime("%H-%M-%S"),
        "datetime": local,
        "scheduled_for": local,
        "execution_id": execution_id,
        "rows": rows,
        **{f"param.{name}": _readable(value, zone) for name, value in parameters.items()},
    }


def render(template: str, context: Mapping[str, Any], escape: Callable[[str], str] | None = None) -> str:
    """The template with its values; each value goes through `escape` (for example html.escape), the text does not.

    Raises:
        InvalidInput: what `check_template` refuses, or a result beyond 64 kB.
    """
    flat = _flat(context)
    parts: list[str] = []
    length = 0
    for text, name, pattern in _parsed(template):
        if name is not None:
            if name not in flat:
                raise _unknown(name, flat)
            text = _formatted(flat[name], pattern, name)
            text = escape(text) if escape else text
        parts.append(text)
        length += len(text.encode(errors="surrogatepass"))
        if length > _MAX_RESULT:
            raise InvalidInput(
                "The template's result is longer than 64 kB.",
                hint="Shorten the template or the values of its parameters.",
            )
    return "".join(parts)


def check_template(template: str, known_names: Collection[str]) -> None:
    """Raise InvalidInput, saying what is wrong, unless the template can be rendered with these names."""
    for _text, name, _pattern in _parsed(template):
        if name is not None and name not in known_names:
            raise _unknown(name, known_names)


def _parsed(template: str) -> Iterator[tuple[str, str | None, str | None]]:
    """(text, None, None) for text and ("", name, format) for placeholders."""
    if len(template) > _MAX_TEMPLATE:
        raise InvalidInput("The template is longer than 64 kB.", hint="Shorten it.")
    if _UNSENDABLE.search(template):
        raise InvalidInput(
            "The template has a character that no text can hold (code zero, half a surrogate).",
            hint="Remove that character.",
        )
    position = 0
    for token in _TOKEN.finditer(template):
        if token.start() > position:
            yield template[position : token.start()], None, None
        position = token.end()
        whole = token.group()
        if whole in ("{{", "}}"):
            yield whole[0], None, None
        elif len(whole) == 1:
            raise InvalidInput(f"The template has a single {whole}.", hint=f"Write {whole * 2} for the character.")
        else:
            yield "", *_placeholder(token.group(1))
    yield template[position:], None, None


def _placeholder(inside: str) -> tuple[str, str | None]:
    match = _PLACEHOLDER.match(inside)
    if match is None:
        raise InvalidInput(
            "A placeholder of the template is not a name.",
            hint="Write {report}, {date:%Y-%m-%d} or {param.name}; {{ and }} for braces.",
        )
    name, pattern = match.groups()
    if pattern is not None:
        if name in _TEXTS:
            raise _no_date(name)
        _check_format(pattern)
    return name, pattern


def _check_format(pattern: str) -> None:
    directives = re.findall(r"%(.?)", pattern)
    if len(pattern) > 64 or not directives or any(item not in _DIRECTIVES and item != "%" for item in directives):
        raise InvalidInput(
            "A date format of the template is not on the list.",
            hint="Use %Y %m %d %H %M %S %y %j %b %B %a %A %U %V %G %u %I %p %z %Z.",
        )


def _formatted(value: Any, pattern: str | None, name: str) -> str:
    if pattern is None:
        return value.isoformat(timespec="seconds") if isinstance(value, datetime) else str(value)
    if value == "":  # an optional parameter without a value
        return ""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = datetime.fromisoformat(value)
    if not isinstance(value, date):
        raise _no_date(name)
    return value.strftime(pattern)


def _no_date(name: str) -> InvalidInput:
    hint = "Write {datetime:%H-%M}." if name == "time" else f"Write {{{name}}}."
    return InvalidInput(f"{{{name}}} is no date, so it takes no date format.", hint=hint)


def _readable(value: Any, zone: ZoneInfo) -> Any:
    if value is None:
        return ""
    if isinstance(value, (list, tuple)):
        return ", ".join(_formatted(_readable(item, zone), None, "") for item in value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and _UTC_MOMENT.fullmatch(value):  # a moment that was stored as JSON
        with contextlib.suppress(ValueError):
            value = datetime.fromisoformat(value)
    if isinstance(value, datetime) and value.tzinfo is not None:
        with contextlib.suppress(OverflowError):
            return value.astimezone(zone)
    return value


def _flat(context: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in context.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{key}": item for key, item in value.items()}
        else:
            flat[name] = value
    return flat


def _unknown(name: str, known: Collection[str]) -> InvalidInput:
    near = difflib.get_close_matches(name, known, 1)
    hint = f"Did you mean {{{near[0]}}}?" if near else f"Known: {', '.join(sorted(known))}."
    return InvalidInput("The template uses a name that does not exist.", hint=hint)
