"""Columns as the text that people read: one form for each type, Arabic shaped, right-to-left lines in sight order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from converters._excel_values import duration_texts, float_texts, plain
from converters._texts import decimal_texts
from shared.plugins.arrow_text import is_decimal_text, string_bytes

_COMBINING = (0xCC, 0xCD)  # first bytes of U+0300-U+036F in UTF-8
_BEYOND_BASIC = 0xF0
_RTL_LETTERS = "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]"


def texts(array: pa.Array, timezone: str) -> pa.Array:
    """The column as text without NULLs and without other line breaks than LF."""
    column = plain(array, timezone)
    kind = column.type
    if types.is_timestamp(kind) or types.is_time(kind):
        column = pc.replace_substring_regex(column.cast(pa.string()), r"\.0+$", "")
    elif types.is_duration(kind):
        column = duration_texts(column)
    elif types.is_floating(kind):
        column = float_texts(column)
    elif types.is_decimal(kind):
        column = decimal_texts(column)
    elif not types.is_string(kind):
        column = column.cast(pa.string())
    if column.null_count:
        column = pc.fill_null(column, "")
    raw = string_bytes(column)
    if np.any(raw == 0x0D):
        column = pc.replace_substring_regex(column, "\r\n?", "\n")
    if any(np.any(raw == byte) for byte in _COMBINING):
        column = pc.utf8_normalize(column, "NFC")
    return column


def is_number(field: pa.Field) -> bool:
    kind = field.type
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or is_decimal_text(field))


def is_solid(field: pa.Field) -> bool:
    """Numbers and times: values that are not broken into lines unless the page leaves no choice."""
    return is_number(field) or bool(types.is_temporal(field.type) or types.is_boolean(field.type))


def rare_characters(column: pa.Array) -> set[str]:
    """The characters beyond U+FFFF."""
    raw = string_bytes(column)
    if raw.size == 0 or raw.max() < _BEYOND_BASIC:
        return set()
    return {character for character in raw.tobytes().decode("utf-8", "replace") if ord(character) > 0xFFFF}


def right_to_left(column: pa.Array) -> pa.Array | None:
    """Which values have letters of right-to-left scripts; None where no value has."""
    raw = string_bytes(column)
    if raw.size == 0 or raw.max() < 0xD6:
        return None
    found = pc.match_substring_regex(column, _RTL_LETTERS)
    return found if pc.any(found).as_py() else None


def in_sight_order(text: str, wrap: Callable[[str], list[str]]) -> tuple[str, bool]:
    """Shape, break into lines, then order each line as the eye sees it; and whether the text runs right to left."""
    import arabic_reshaper
    from bidi import get_base_level, get_display

    is_rtl = get_base_level(text) == 1
    base = "R" if is_rtl else "L"
    lines = [line for part in text.split("\n") for line in wrap(arabic_reshaper.reshape(part)) or [""]]
    return "\n".join(get_display(line, base_dir=base) for line in lines), is_rtl
