"""Arrow columns of any type, reduced to the types that worksheet cells are made from."""

from __future__ import annotations

import base64
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from converters._json_values import whole_values
from converters._moments import check_days, check_moments
from converters._texts import interval_texts

PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def plain(array: pa.Array, timezone: str) -> pa.Array:
    """The column as null, text, boolean, number, date32, timestamp without zone, time or duration.

    Times with a zone become wall time in `timezone`; binary becomes Base64; lists, structs and maps become JSON.

    Raises:
        MisfitError: a moment beyond the years 1 to 9999, there or in the zone; a map with the same key twice.
    """
    kind = array.type
    if isinstance(kind, pa.ExtensionType | pa.BaseExtensionType):
        if kind.extension_name == "arrow.uuid":
            return _texts(array, str)
        return plain(array.storage, timezone)
    if types.is_dictionary(kind):
        return plain(array.dictionary_decode(), timezone)
    if types.is_run_end_encoded(kind):
        return plain(pc.run_end_decode(array), timezone)
    if types.is_string_view(kind) or types.is_large_string(kind):
        return array.cast(pa.string())
    if types.is_timestamp(kind):
        check_moments(array)
        if kind.tz is None:
            return array
        wall = pc.local_timestamp(array.cast(pa.timestamp(kind.unit, timezone)))
        check_moments(wall)
        return wall
    if types.is_date(kind):
        days = array.cast(pa.date32())
        check_days(days)
        return days
    if types.is_float16(kind):
        return array.cast(pa.float32())
    if _is_binary(kind):
        return _texts(array, _base64)
    if types.is_interval(kind):
        return interval_texts(array)
    if types.is_nested(kind):
        found = whole_values(array, timezone, "number")
        return (pc.if_else(pc.is_valid(array), found, None) if array.null_count else found).cast(pa.string())
    return array


def duration_texts(array: pa.Array) -> pa.Array:
    """Durations as h:mm:ss.ffffff."""
    unit = array.type.unit
    ticks = array.cast(pa.int64()).to_pylist()
    return pa.array([None if count is None else _clock(count, PER_SECOND[unit]) for count in ticks], pa.string())


def float_texts(array: pa.Array) -> pa.Array:
    """The shortest text that reads back as the same number; NaN, Infinity and -Infinity by name."""
    texts = array.cast(pa.string())
    is_finite = pc.is_finite(array)
    if pc.all(is_finite).as_py() is not False:
        return texts
    infinity = pc.if_else(pc.greater(array, 0.0), "Infinity", "-Infinity")
    return pc.if_else(is_finite, texts, pc.if_else(pc.is_nan(array), "NaN", infinity))


def _clock(ticks: int, per_second: int) -> str:
    seconds, rest = divmod(abs(ticks), per_second)
    fraction = f".{rest:0{len(str(per_second)) - 1}d}".rstrip("0") if rest else ""
    return f"{'-' if ticks < 0 else ''}{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{fraction}"


def _is_binary(kind: pa.DataType) -> bool:
    return bool(
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_fixed_size_binary(kind)
        or types.is_binary_view(kind)
    )


def _texts(array: pa.Array, text: Any) -> pa.Array:
    return pa.array([None if value is None else text(value) for value in array.to_pylist()], pa.string())


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")
