"""Dates, times and moments as text, over whole columns: ISO 8601, or a pattern of strftime's directives.

A fraction of a second has 0, 3, 6 or 9 digits, as few as are exact. The digits come from tables, so that a column
costs a few array operations; Arrow's own kernel needs a microsecond for each moment with a zone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from converters._digits import (
    DAY,
    Bytes,
    Fraction,
    Integers,
    clock_digits,
    clock_table,
    date_digits,
    dates_with_t,
    fraction_digits,
    fraction_of,
    number_table,
    offset_digits,
)
from converters._misfits import MisfitError

Mask = npt.NDArray[np.bool_]

PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
DATE_DIRECTIVES = frozenset("Ymdyj%")
MOMENT_DIRECTIVES = DATE_DIRECTIVES | frozenset("HMSfz")
_DIRECTIVE = re.compile("%(.?)", re.DOTALL)
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896  # 0001-01-01 and 9999-12-31
_LONGEST = 2**31 - 1
# Table entries are written at once, as numbers or blocks of bytes: `2024-02-29T` of 16 bytes, then the clock over it.
_WHOLE = np.dtype({"names": ["clock"], "formats": ["u8"], "offsets": [11], "itemsize": 19})
_YEARS = "a date outside of the years 1 to 9999"
_HINT = "Convert it to text in the query, or leave such rows out."


def check_pattern(pattern: str, directives: frozenset[str]) -> str:
    """The pattern itself.

    Raises:
        ValueError: it uses a directive that is not among `directives`, or none.
    """
    used = _DIRECTIVE.findall(pattern)
    unknown = [letter for letter in used if letter not in directives or not letter]
    if unknown or not set(used) - {"%"}:
        known = " ".join(f"%{letter}" for letter in "YymdjHMSfz%" if letter in directives)
        raise ValueError(f"A pattern is made of {known} and other characters.")
    return pattern


def date_texts(array: pa.Array, pattern: str | None = None) -> pa.Array:
    """A date32 column as 2024-02-29."""
    days = check_days(array)
    if pattern is None:
        return array.cast(pa.string())
    return _strings(array, _patterned(pattern, _Parts(date_digits(days), days)))


def check_days(array: pa.Array) -> Integers:
    """The days of a date32 column. Raises MisfitError outside of the years 1 to 9999."""
    days = _ticks(array)
    _check_days(days)
    return days


def check_moments(array: pa.Array) -> None:
    """Raise MisfitError for a timestamp outside of the years 1 to 9999."""
    _check_days(_ticks(array) // (DAY * PER_SECOND[array.type.unit]))


def time_texts(array: pa.Array) -> pa.Array:
    """A time column as 23:59:59.123; the end of the day is 24:00:00."""
    unit = array.type.unit
    seconds, fraction = np.divmod(_ticks(array), PER_SECOND[unit])
    _check((seconds < 0) | (seconds > DAY), "a time outside of the day")
    return _strings(array, clock_digits(seconds), fraction_of(fraction, unit))


def moment_texts(array: pa.Array, timezone: str, pattern: str | None = None) -> pa.Array:
    """A timestamp column as 2024-07-01T12:30:00, with a zone as 2024-07-01T12:30:00+02:00 in `timezone`.

    A moment whose offset is not whole minutes (before there was standard time) is given in UTC.
    """
    unit = array.type.unit
    ticks = _ticks(array)
    per_day = DAY * PER_SECOND[unit]
    days = ticks // per_day
    _check_days(days)
    minutes = None
    if array.type.tz is not None:
        ticks, minutes = _in_zone(array, ticks, timezone)
        days = ticks // per_day
        _check_days(days)
    rest = ticks - days * per_day
    seconds = rest // PER_SECOND[unit]
    fraction = rest - seconds * PER_SECOND[unit]
    if pattern is not None:
        parts = _Parts(date_digits(days), days, clock_digits(seconds), fraction, unit, minutes)
        return _strings(array, _patterned(pattern, parts))
    whole = np.empty(len(ticks), [("date", "V16"), ("rest", "V3")])
    whole["date"] = dates_with_t(days)
    whole.view(_WHOLE)["clock"] = clock_table()[seconds]
    offset = np.empty((len(ticks), 0), np.uint8) if minutes is None else offset_digits(minutes)
    return _strings(array, whole.view(np.uint8).reshape(-1, 19), fraction_of(fraction, unit), offset)


def duration_texts(array: pa.Array) -> pa.Array:
    """Durations as h:mm:ss with a fraction where there is one, a minus sign in front: 30:00:00, -0:00:01.500."""
    unit = array.type.unit
    ticks = _ticks(array)
    # As unsigned: the smallest number has no positive counterpart.
    size = np.where(ticks < 0, -ticks, ticks).view(np.uint64)
    seconds, fraction = np.divmod(size, np.uint64(PER_SECOND[unit]))
    hours, rest = np.divmod(seconds, np.uint64(3_600))
    tail = _strings(array, clock_digits(rest.astype(np.int64))[:, 2:], fraction_of(fraction.astype(np.int64), unit))
    sign = pc.if_else(pa.array(ticks < 0), "-", "")
    return pc.binary_join_element_wise(sign, pa.array(hours).cast(pa.string()), tail, "")


@dataclass(frozen=True, slots=True)
class _Parts:
    dates: Bytes
    days: Integers
    clocks: Bytes | None = None
    fraction: Integers | None = None
    unit: str = "s"
    minutes: Integers | None = None


def _ticks(array: pa.Array) -> Integers:
    narrow = types.is_date32(array.type) or types.is_time32(array.type)
    numbers = array.cast(pa.int32()).cast(pa.int64()) if narrow else array.cast(pa.int64())
    if numbers.null_count:
        numbers = pc.fill_null(numbers, 0)
    ticks: Integers = numbers.to_numpy(zero_copy_only=False)
    return ticks


def _check(is_wrong: Mask, what: str) -> None:
    if is_wrong.any():
        raise MisfitError(int(is_wrong.argmax()), what, _HINT)


def _check_days(days: Integers) -> None:
    _check((days < _FIRST_DAY) | (days > _LAST_DAY), _YEARS)


def _in_zone(array: pa.Array, ticks: Integers, timezone: str) -> tuple[Integers, Integers]:
    """Wall time in the zone, and the offset in minutes."""
    if timezone == "UTC":
        return ticks, np.zeros(len(ticks), np.int64)
    per_second = PER_SECOND[array.type.unit]
    wall = _ticks(pc.local_timestamp(array.cast(pa.timestamp(array.type.unit, timezone))))
    if array.null_count:
        wall = np.where(pc.is_null(array).to_numpy(zero_copy_only=False), ticks, wall)
    minutes, odd = np.divmod(wall - ticks, 60 * per_second)
    if odd.any():
        wall, minutes = np.where(odd != 0, ticks, wall), np.where(odd != 0, 0, minutes)
    return wall, minutes


def _literal(text: str, rows: int) -> Bytes:
    raw = np.frombuffer(text.encode(), np.uint8)
    return np.broadcast_to(raw, (rows, raw.size))


def _patterned(pattern: str, parts: _Parts) -> Bytes:
    rows = len(parts.days)
    pieces, position = [], 0
    for directive in _DIRECTIVE.finditer(pattern):
        pieces.append(_literal(pattern[position : directive.start()], rows))
        pieces.append(_directive(directive[1], parts))
        position = directive.end()
    return np.hstack([*pieces, _literal(pattern[position:], rows)])


def _directive(letter: str, parts: _Parts) -> Bytes:
    rows = len(parts.days)
    dates, clocks = parts.dates, parts.clocks
    slices = {"Y": slice(0, 4), "y": slice(2, 4), "m": slice(5, 7), "d": slice(8, 10)}
    if letter in slices:
        return dates[:, slices[letter]]
    if letter == "j":
        years = parts.days.astype("datetime64[D]").astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64)
        digits: Bytes = number_table(3)[parts.days - years + 1]
        return digits
    if letter == "%" or clocks is None or parts.fraction is None:
        return _literal("%", rows)
    if letter == "f":
        return fraction_digits(parts.fraction, parts.unit)
    if letter == "z":
        return _literal("", rows) if parts.minutes is None else offset_digits(parts.minutes)
    return clocks[:, {"H": slice(0, 2), "M": slice(3, 5), "S": slice(6, 8)}[letter]]


def _strings(like: pa.Array, head: Bytes, fraction: Fraction | None = None, tail: Bytes | None = None) -> pa.Array:
    """Rows of characters as strings, NULL where `like` is NULL."""
    rows = len(head)
    pieces = [piece for piece in (head, fraction.digits if fraction else None, tail) if piece is not None]
    matrix = np.hstack(pieces)
    width = matrix.shape[1]
    offsets = np.arange(rows + 1, dtype=np.int64) * width
    if fraction is not None and fraction.lengths is not None:
        start, most = head.shape[1], fraction.digits.shape[1]
        kept = np.ones(matrix.shape, bool)
        kept[:, start : start + most] = np.arange(most) < fraction.lengths[:, None]
        matrix = matrix[kept]
        np.cumsum(fraction.lengths + (width - most), out=offsets[1:])
    is_wide = offsets[-1] > _LONGEST
    kind = pa.large_string() if is_wide else pa.string()
    is_valid = pc.is_valid(like).buffers()[1] if like.null_count else None
    places = pa.py_buffer(offsets if is_wide else offsets.astype(np.int32))
    return pa.Array.from_buffers(kind, rows, [is_valid, places, pa.py_buffer(np.ascontiguousarray(matrix))])
