"""Worksheet cells from whole Arrow columns: numbers where a spreadsheet keeps them exactly, else text."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from converters._excel_text import escape, rewrite, utf16_length
from converters._excel_values import PER_SECOND, duration_texts, float_texts
from converters._significant import DIGITS, has_few_digits
from shared.errors import ConversionRejected

LONGEST_TEXT = 32_767
_LARGEST = 10**DIGITS - 1
_EPOCH = 25_569  # 1970-01-01 as a day number
_FIRST_DAY = 61  # 1900-03-01: before it spreadsheets disagree, for Excel knows a 1900-02-29
_LAST_DAY = 2_958_465  # 9999-12-31
_TEXT_OPEN = ' t="inlineStr"><is><t xml:space="preserve">'
_TEXT_CLOSE = "</t></is></c>"


@dataclass(frozen=True, slots=True)
class Cells:
    """A column of cells: `<c r="A1"` + opening + value + closing. A NULL is no cell."""

    values: pa.Array
    opening: str
    closing: str
    is_mixed: bool = False  # some numbers are text; values then hold the rest of the cell


def cells(array: pa.Array, style: str, is_number_text: bool = False) -> Cells:
    """The cells of a column that went through `plain`. `style` is the attribute ` s="n"` or nothing."""
    kind = array.type
    if types.is_null(kind):
        return Cells(pa.nulls(len(array), pa.string()), "", "")
    if types.is_string(kind) or types.is_large_string(kind):
        return _number_texts(array, style) if is_number_text else _texts(array, style)
    if types.is_boolean(kind):
        return Cells(array.cast(pa.uint8()).cast(pa.string()), f'{style} t="b"><v>', "</v></c>")
    if types.is_integer(kind):
        return _integers(array, style)
    if types.is_floating(kind):
        return _floats(array, style)
    if types.is_decimal(kind):
        return _decimals(array, style)
    if types.is_date(kind):
        days = pc.add(array.cast(pa.int32()), pa.scalar(_EPOCH, pa.int32()))
        return _days(array, days, style)
    if types.is_timestamp(kind):
        return _days(array, pc.add(_in_days(array), float(_EPOCH)), style)
    if types.is_time(kind):
        return _numbers(_in_days(array).cast(pa.string()), style)
    if types.is_duration(kind):
        return _durations(array, style)
    return _texts(array.cast(pa.string()), style)


def reject_long_text(array: pa.Array, first_row: int, column: str) -> None:
    """Raise ConversionRejected, naming row and column, where a text is longer than a cell may be."""
    if not (types.is_string(array.type) or types.is_large_string(array.type)):
        return
    longest = pc.max(pc.binary_length(array)).as_py()
    if longest is None or longest <= LONGEST_TEXT:
        return
    for index, text in enumerate(array):
        if text.is_valid and utf16_length(text.as_py()) > LONGEST_TEXT:
            raise ConversionRejected(
                f"Row {first_row + index} of column {column} holds a text of {utf16_length(text.as_py()):,} characters;"
                f" a cell of a workbook holds {LONGEST_TEXT:,}.",
                hint="Shorten it in the query, or choose another format.",
            )


def _texts(array: pa.Array, style: str = "") -> Cells:
    return Cells(escape(array), style + _TEXT_OPEN, _TEXT_CLOSE)


def _numbers(texts: pa.Array, style: str) -> Cells:
    return Cells(texts, f"{style}><v>", "</v></c>")


def _mixed(numbers: pa.Array, is_number: pa.Array, texts: pa.Array, style: str) -> Cells:
    """Numbers where they are exact, else text."""
    if pc.all(is_number).as_py() is not False:
        return _numbers(numbers, style)
    return Cells(
        pc.if_else(
            is_number,
            pc.binary_join_element_wise(f"{style}><v>", numbers, "</v></c>", ""),
            pc.binary_join_element_wise(_TEXT_OPEN, escape(texts), _TEXT_CLOSE, ""),
        ),
        "",
        "",
        is_mixed=True,
    )


def _integers(array: pa.Array, style: str) -> Cells:
    texts = array.cast(pa.string())
    if array.type.bit_width < 64:
        return _numbers(texts, style)
    is_number = pc.less_equal(array, pa.scalar(_LARGEST, array.type))
    if types.is_signed_integer(array.type):
        is_number = pc.and_(is_number, pc.greater_equal(array, pa.scalar(-_LARGEST, array.type)))
    return _mixed(texts, is_number, texts, style)


def _floats(array: pa.Array, style: str) -> Cells:
    texts = float_texts(array)
    return _mixed(texts, pc.is_finite(array), texts, style)


def _decimals(array: pa.Array, style: str) -> Cells:
    texts = array.cast(pa.string())
    if array.type.precision <= DIGITS or _is_small(array):
        return _numbers(texts, style)
    texts = rewrite(texts, pc.match_substring(texts, "E"), lambda text: format(Decimal(text), "f"))
    return _mixed(texts, has_few_digits(texts), texts, style)


def _is_small(array: pa.Array) -> bool:
    """All digits together, those after the point included, are few: told from the smallest and the largest value."""
    scale = array.type.scale
    if not 0 <= scale <= DIGITS:
        return False
    bounds = pc.min_max(array).as_py()
    limit = Decimal(10) ** (DIGITS - scale)
    return bounds["min"] is None or (-limit < bounds["min"] and bounds["max"] < limit)


def _number_texts(array: pa.Array, style: str) -> Cells:
    is_plain = pc.match_substring_regex(array, r"^-?[0-9]+(\.[0-9]+)?$")
    return _mixed(array, pc.and_(is_plain, has_few_digits(array)), array, style)


def _in_days(array: pa.Array) -> pa.Array:
    ticks = array.cast(pa.int32()) if types.is_time32(array.type) else array.cast(pa.int64())
    return pc.divide(ticks.cast(pa.float64(), safe=False), float(86_400 * PER_SECOND[array.type.unit]))


def _days(array: pa.Array, days: pa.Array, style: str) -> Cells:
    is_day = pc.and_(pc.greater_equal(days, _FIRST_DAY), pc.less(days, _LAST_DAY + 1))
    numbers = days.cast(pa.string())
    if pc.all(is_day).as_py() is not False:
        return _numbers(numbers, style)
    texts = pc.replace_substring_regex(array.cast(pa.string()), r"\.0+$", "")
    return _mixed(numbers, is_day, texts, style)


def _durations(array: pa.Array, style: str) -> Cells:
    days = _in_days(array)
    is_positive = pc.greater_equal(days, 0.0)
    numbers = days.cast(pa.string())
    if pc.all(is_positive).as_py() is not False:
        return _numbers(numbers, style)
    # A spreadsheet cannot show a negative duration.
    return _mixed(numbers, is_positive, duration_texts(array), style)
