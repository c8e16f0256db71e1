"""Turns `:name` parameters into the style of a driver; values stay apart and are bound by the driver."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from shared.errors import SourceRejected
from shared.sql.parameters import parameter_spans


def bind(
    text: str,
    params: Mapping[str, Any],
    dialect: str,
    placeholder: Callable[[int], str],
    *,
    doubles_percent: bool = False,
) -> tuple[str, list[Any]]:
    """The statement with the driver's placeholders, and the values in their order.

    A list becomes one placeholder per item, for `IN (:name)`.

    Args:
        placeholder: makes the n-th placeholder (from 1): `%s`, `?`, `$1`.
        doubles_percent: the driver reads `%` as the start of a placeholder when there are values.

    Raises:
        SourceRejected: a parameter has no value, or is an empty list.
    """
    spans = parameter_spans(text, dialect)
    values: list[Any] = []
    parts: list[str] = []
    position = 0
    for span in spans:
        parts.append(_escaped(text[position : span.start], bool(spans) and doubles_percent))
        position = span.end
        if span.name not in params:
            raise SourceRejected(
                f"The query uses :{span.name}, which has no value.", hint="Declare it among the report's parameters."
            )
        value = params[span.name]
        items = value if isinstance(value, (list, tuple)) else [value]
        if not items:
            raise SourceRejected(f"The list :{span.name} is empty, so it cannot stand in the query.")
        marks = []
        for item in items:
            values.append(item)
            marks.append(placeholder(len(values)))
        parts.append(", ".join(marks))
    parts.append(_escaped(text[position:], bool(spans) and doubles_percent))
    return "".join(parts), values


def _escaped(text: str, doubles_percent: bool) -> str:
    return text.replace("%", "%%") if doubles_percent else text
