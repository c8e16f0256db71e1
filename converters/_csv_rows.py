"""Whole blocks of rows as CSV records (RFC 4180): which values need quotes, which a spreadsheet would run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from converters._blocks import Block
from converters._json_values import whole_values
from converters._misfits import located
from converters._rows import Mask, Quoted, rows_of
from converters._texts import TextStyle, is_number, joined, plain, texts
from shared.plugins.arrow_text import is_decimal_text, string_bytes

TITLE = "CSV"

_QUOTE, _CR, _LF = 0x22, 0x0D, 0x0A
# Not among the characters of numbers, dates and truth values, so these need no look at their bytes.
_USUAL_DELIMITERS = ",;\t|"
# What a spreadsheet skips before it decides: controls, spaces, marks of byte order and of direction.
_SKIPPED = "\x00-\x20\x7f\u0085\u00a0\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff"
_RUNS = f"^[{_SKIPPED}]*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]"
_PLAIN_NUMBER = r"^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"
_MAY_RUN = np.zeros(256, bool)
_MAY_RUN[[*range(0x21), 0x7F, *b"=+-@", 0xC2, 0xE1, 0xE2, 0xE3, 0xEF]] = True


@dataclass(frozen=True, slots=True)
class Dialect:
    """How records are written. The text `null_text` without quotes is NULL; the same text as a value is quoted."""

    delimiter: str
    line_end: str
    quotes_all: bool
    decimal_separator: str
    null_text: str
    escapes_formulas: bool
    style: TextStyle


@dataclass(frozen=True, slots=True)
class Records:
    """`columns` hold the texts of the cells, for looking up what an encoding lacks; `escaped` counts cells."""

    content: memoryview
    columns: list[pa.Array]
    block: Block
    escaped: int


def records(block: Block, dialect: Dialect) -> Records:
    names = block.rows.schema.names
    columns, quoted, escaped = [], [], 0
    for field, array in zip(block.rows.schema, block.rows.columns, strict=True):
        with located(field.name, block.first_row, TITLE):
            array = plain(array)
            cells = _cells(array, field, dialect)
        is_text = not _is_free_of_text(array.type)
        runs = _runs(cells) if is_text and dialect.escapes_formulas and not is_decimal_text(field) else None
        if runs is not None:
            cells = joined(pc.if_else(pa.array(runs), "'", ""), cells)
            escaped += int(runs.sum())
        columns.append(cells)
        quoted.append(_quoted(cells, is_text, dialect))
    doubled = [_doubled(cells, marks) for cells, marks in zip(columns, quoted, strict=True)]
    before = ["", *[dialect.delimiter] * (len(names) - 1)]
    return Records(rows_of(doubled, quoted, before, dialect.line_end, dialect.null_text), columns, block, escaped)


def record(values: list[str], dialect: Dialect) -> tuple[str, int]:
    """One record of texts (a header, a note), and how many were escaped."""
    names = [f"c{index}" for index in range(len(values))]
    rows = pa.record_batch([pa.array([value], pa.string()) for value in values], names=names)
    made = records(Block(rows, 0), dialect)
    return bytes(made.content).decode(), made.escaped


def _cells(array: pa.Array, field: pa.Field, dialect: Dialect) -> pa.Array:
    timezone = dialect.style.timezone
    found = texts(array, dialect.style, lambda nested: _json(nested, timezone))
    has_point = is_decimal_text(field) or types.is_floating(array.type) or types.is_decimal(array.type)
    if has_point and dialect.decimal_separator != ".":
        found = pc.replace_substring(found, ".", dialect.decimal_separator)
    return found


def _is_free_of_text(kind: pa.DataType) -> bool:
    """Numbers, times, truth values: never run, never empty, and without the usual delimiters."""
    return is_number(kind) or bool(types.is_temporal(kind) or types.is_boolean(kind) or types.is_null(kind))


def _json(array: pa.Array, timezone: str) -> pa.Array:
    found = whole_values(array, timezone, "number")
    return pc.if_else(pc.is_valid(array), found, None) if array.null_count else found


def _runs(cells: pa.Array) -> Mask | None:
    """Which texts a spreadsheet would run; None where there are none. First a look at the first bytes only."""
    raw = string_bytes(cells)
    starts, lengths = _places(cells)
    if raw.size == 0:
        return None
    suspects = np.flatnonzero(_MAY_RUN[raw[np.minimum(starts, raw.size - 1)]] & (lengths > 0))
    if suspects.size == 0:
        return None
    found = cells.take(pa.array(suspects))
    runs = pc.and_not(pc.match_substring_regex(found, _RUNS), pc.match_substring_regex(found, _PLAIN_NUMBER))
    mask = np.zeros(len(cells), bool)
    mask[suspects] = pc.fill_null(runs, False).to_numpy(zero_copy_only=False)
    return mask if mask.any() else None


def _quoted(cells: pa.Array, is_text: bool, dialect: Dialect) -> Quoted:
    """NULL never stands in quotes."""
    if dialect.quotes_all:
        return _valid(cells) if cells.null_count else True
    is_seen = (
        is_text or dialect.delimiter not in _USUAL_DELIMITERS or dialect.style != TextStyle(dialect.style.timezone)
    )
    if not is_seen and not dialect.null_text:
        return False
    quoted = np.zeros(len(cells), bool)
    raw = string_bytes(cells)
    is_special = np.zeros(raw.size + 1, bool)  # one more, for empty texts at the end begin there
    is_special[:-1] = (raw == _QUOTE) | (raw == ord(dialect.delimiter)) | (raw == _LF) | (raw == _CR)
    if is_special.any():
        starts, lengths = _places(cells)
        quoted = np.logical_or.reduceat(is_special, starts) & (lengths > 0)
    if dialect.null_text or is_text:
        same = pc.equal(cells, pa.scalar(dialect.null_text, cells.type))
        quoted |= pc.fill_null(same, False).to_numpy(zero_copy_only=False)
    if cells.null_count:
        quoted &= _valid(cells)
    return quoted if quoted.any() else False


def _valid(cells: pa.Array) -> Mask:
    mask: Mask = pc.is_valid(cells).to_numpy(zero_copy_only=False)
    return mask


def _doubled(cells: pa.Array, quoted: Quoted) -> pa.Array:
    if quoted is False or not (string_bytes(cells) == _QUOTE).any():
        return cells
    return pc.replace_substring(cells, '"', '""')


def _places(cells: pa.Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Where each text begins among the used bytes, and its length."""
    lengths = pc.binary_length(cells)
    lengths = (pc.fill_null(lengths, 0) if cells.null_count else lengths).to_numpy(zero_copy_only=False)
    width = np.int32 if types.is_string(cells.type) else np.int64
    offsets = np.frombuffer(cells.buffers()[1], width)[cells.offset : cells.offset + len(cells)]
    return (offsets - offsets[0]).astype(np.int64), lengths.astype(np.int64)
