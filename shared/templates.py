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
NAMES = ("report", "date", "time", "datetime", "scheduled_for", "execution_id", "rows")
"""Names that every template may use, besides `param.<name>`."""


def template_context(
    *,
    report: str,
    scheduled_for: datetime,
    timezone: str,
    execution_id: str,
    rows: int,
    parameters: Mapping[str, Any],
) -> dict[str, Any]:
    """The values by name. Dates and times are the logical time in the schedule's zone."""
    local = scheduled_for.astimezone(ZoneInfo(timezone))
    return {
        "report": report,
        "date": local.date(),
        "time": local.strftime("%H-%M-%S"),
        "datetime": local,
        "scheduled_for": local,
        "execution_id": execution_id,
        "rows": rows,
        **{f"param.{name}": _readable(value) for name, value in parameters.items()},
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
        length += len(text)
        if length > _MAX_RESULT:
            raise InvalidInput("The template's result is longer than 64 kB.")
    return "".join(parts)


def check_template(template: str, known_names: Collection[str]) -> None:
    """Raise InvalidInput, saying what is wrong, unless the template can be rendered with these names."""
    for _text, name, _pattern in _parsed(template):
        if name is not None and name not in known_names:
            raise _unknown(name, known_names)


def _parsed(template: str) -> Iterator[tuple[str, str | None, str | None]]:
    """(text, None, None) for text and ("", name, format) for placeholders."""
    if len(template) > _MAX_TEMPLATE:
        raise InvalidInput("The template is longer than 64 kB.")
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
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = datetime.fromisoformat(value)
    if not isinstance(value, date):
        raise InvalidInput(f"{{{name}}} is no date, so it takes no date format.")
    return value.strftime(pattern)


def _readable(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value)
    if isinstance(value, bool):
        return str(value).lower()
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
