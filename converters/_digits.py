"""Digits of dates, clocks and fractions out of tables, as rows of bytes: the raw material of moments."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Integers = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

DAY = 86_400
_FRACTION_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}
_LONGEST_OFFSET = 26 * 60
_TABLE_START, _TABLE_END = -25_567, 47_847  # 1900-01-01 to 2100-12-31


def date_digits(days: Integers) -> Bytes:
    texts = pa.array(days.astype(np.int32)).cast(pa.date32()).cast(pa.string())
    return np.frombuffer(texts.buffers()[2] or b"", np.uint8)[: 10 * len(days)].reshape(-1, 10)


def dates_with_t(days: Integers) -> npt.NDArray[np.void]:
    """`2024-02-29T` and five bytes to be written over."""
    if len(days) and (days.min() < _TABLE_START or days.max() >= _TABLE_END):
        return _padded_dates(days)
    return _date_table()[days - _TABLE_START]


@functools.cache
def _date_table() -> npt.NDArray[np.void]:
    return _padded_dates(np.arange(_TABLE_START, _TABLE_END))


def _padded_dates(days: Integers) -> npt.NDArray[np.void]:
    padded = np.full((len(days), 16), ord("T"), np.uint8)
    padded[:, :10] = date_digits(days)
    return padded.view("V16").ravel()


@functools.cache
def clock_table() -> npt.NDArray[np.uint64]:
    lines = [f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}" for second in range(DAY + 1)]
    return np.frombuffer("".join(lines).encode(), np.uint64)  # 8 characters each


@functools.cache
def _offset_table() -> npt.NDArray[np.void]:
    lines = [
        f"{'-' if minute < 0 else '+'}{abs(minute) // 60:02d}:{abs(minute) % 60:02d}"
        for minute in range(-_LONGEST_OFFSET, _LONGEST_OFFSET + 1)
    ]
    return np.frombuffer("".join(lines).encode(), "V6")


@functools.cache
def number_table(digits: int) -> Bytes:
    lines = [f"{number:0{digits}d}" for number in range(10**digits)]
    return np.frombuffer("".join(lines).encode(), np.uint8).reshape(-1, digits)


@functools.cache
def _group_table() -> npt.NDArray[np.uint32]:
    """Three digits, with a point in front."""
    return np.frombuffer("".join(f".{number:03d}" for number in range(1_000)).encode(), np.uint32)


def clock_digits(seconds: Integers) -> Bytes:
    return clock_table()[seconds].view(np.uint8).reshape(-1, 8)


def offset_digits(minutes: Integers) -> Bytes:
    return _offset_table()[minutes + _LONGEST_OFFSET].view(np.uint8).reshape(-1, 6)


def fraction_digits(fraction: Integers, unit: str) -> Bytes:
    groups = _FRACTION_DIGITS[unit] // 3
    pieces = [number_table(3)[fraction // 1_000**place % 1_000] for place in reversed(range(groups))]
    return np.hstack(pieces) if pieces else np.empty((len(fraction), 0), np.uint8)


@dataclass(frozen=True, slots=True)
class Fraction:
    """`.` and digits; each row has so many of these characters (None: all rows have all)."""

    digits: Bytes
    lengths: Integers | None


def fraction_of(fraction: Integers, unit: str) -> Fraction:
    groups = _FRACTION_DIGITS[unit] // 3
    if not fraction.any():
        return Fraction(np.empty((len(fraction), 0), np.uint8), None)
    digits = np.empty((len(fraction), groups, 4), np.uint8)
    lengths = 4 * (fraction != 0).astype(np.int64)
    for place in reversed(range(groups)):
        higher = fraction // 1_000**place
        digits.view(np.uint32)[:, groups - 1 - place, 0] = _group_table()[higher % 1_000]
        if place:
            lengths += 3 * (higher * 1_000**place != fraction)
    flat = digits.reshape(len(fraction), 4 * groups)
    if groups > 1:
        flat = np.delete(flat, [4 * group for group in range(1, groups)], axis=1)  # only the first point stays
    return Fraction(flat, None if lengths.min() == flat.shape[1] else lengths)
