"""Columns as the text that people read: one form for each type."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from converters._excel_values import duration_texts, float_texts, plain
from converters._texts import decimal_texts
from shared.plugins.arrow_text import is_decimal_text, string_bytes

_COMBINING_BYTES = (0xCC, 0xCD, 0xE1, 0xE3)
_COMBINING = "[\u0300-\u036f\u1100-\u11ff\u3099\u309a]"
"""Accents, parts of Korean syllables, Japanese voicing marks; and the bytes with which they begin in UTF-8."""


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
    return _composed(column) if any(np.any(raw == byte) for byte in _COMBINING_BYTES) else column


def _composed(column: pa.Array) -> pa.Array:
    """Letters in one piece. Only where there are pieces: composing changes some ideographs in names."""
    is_apart = pc.match_substring_regex(column, _COMBINING)
    return pc.if_else(is_apart, pc.utf8_normalize(column, "NFC"), column) if pc.any(is_apart).as_py() else column


def is_number(field: pa.Field) -> bool:
    kind = field.type
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or is_decimal_text(field))


def is_solid(field: pa.Field) -> bool:
    """Numbers and times: values that are not broken into lines unless the page leaves no choice."""
    return is_number(field) or bool(types.is_temporal(field.type) or types.is_boolean(field.type))
