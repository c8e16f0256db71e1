"""Conditions of lists that several concepts use."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import ColumnElement, Text, cast, func, or_

_ESCAPE = "!"


def contains(column: Any, text: str) -> ColumnElement[bool]:
    """Part of a text, whatever the case; `%` and `_` are ordinary characters."""
    found: ColumnElement[bool] = func.lower(column).like(_pattern(text.lower()), escape=_ESCAPE)
    return found


def has_item(column: Any, text: str) -> ColumnElement[bool]:
    """A JSON list of texts that holds this one. Databases keep other scripts as they are or as `\\u` escapes."""
    stored = cast(column, Text)
    forms = {json.dumps(text), json.dumps(text, ensure_ascii=False)}
    return or_(*(stored.like(_pattern(form), escape=_ESCAPE) for form in sorted(forms)))


def _pattern(text: str) -> str:
    for character in (_ESCAPE, "%", "_"):
        text = text.replace(character, _ESCAPE + character)
    return f"%{text}%"
