"""Arrow columns of any type as text: one form for each type, the same in all formats that are text.

The table of types in files is made from `REPRESENTATIONS`.
"""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from converters._misfits import MisfitError
from converters._moments import date_texts, duration_texts, moment_texts, time_texts
from shared.errors import ConversionRejected
from shared.plugins.arrow_text import string_bytes

REPRESENTATIONS: Mapping[str, str] = {
    "text": "as it is",
    "boolean": "`true` or `false`",
    "integer": "all digits",
    "decimal": "all digits of its scale, never an exponent: `1.5000`",
    "decimal text": "as the datasource gives it: a number with any count of digits",
    "float": "the shortest number that reads back as the same: `0.1`, `1e+300`, `-0.0`",
    "NaN and infinity": "`NaN`, `Infinity`, `-Infinity`",
    "date": "`2024-02-29`; years 1 to 9999, others are rejected",
    "time": "`23:59:59`, with 3, 6 or 9 digits of a fraction where there is one",
    "timestamp": "`2024-07-01T12:30:00`, with a fraction like times; years 1 to 9999, others are rejected",
    "timestamp with zone": (
        "in the report's time zone with its offset: `2024-07-01T12:30:00+02:00`; in UTC where the offset is not whole "
        "minutes (before standard time)"
    ),
    "duration": "hours, minutes, seconds: `30:00:00`, `-0:00:01.500`",
    "interval": "ISO 8601 with signed parts: `P1Y2M3DT4H5M6.500S`, `P-1D`",
    "binary": "Base64",
    "UUID": "`01234567-89ab-cdef-0123-456789abcdef`",
    "dictionary": "the value that it stands for",
    "other": "rejected, naming the column",
}
_EXPONENT = ord("E")
_PLAIN_SCALE = 6
_NANOS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class TextStyle:
    """How values are written where a report may choose."""

    timezone: str
    date_pattern: str | None = None
    moment_pattern: str | None = None


def check_types(schema: pa.Schema, title: str) -> None:
    """Raise ConversionRejected, naming the column, for a type that has no representation; or if there is no column."""
    if not schema.names:
        raise ConversionRejected("The query has no columns, so there is nothing to write.")
    reject_unknown_types(schema, title)


def reject_unknown_types(schema: pa.Schema, title: str) -> None:
    """Raise ConversionRejected, naming the column, for a type that has no representation."""
    for field in schema:
        if not _is_known(field.type):
            raise ConversionRejected(
                f"Column {field.name} is of the type {field.type}, which {title} cannot hold.",
                hint="Convert it to text in the query.",
            )


def plain(array: pa.Array) -> pa.Array:
    """The column without dictionaries, views, extensions and other wrappings of the same values."""
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        if kind.extension_name == "arrow.uuid":
            return _uuids(array.storage)
        if kind.extension_name == "arrow.bool8":
            return array.storage.cast(pa.bool_())
        return plain(array.storage)
    if types.is_dictionary(kind):
        return plain(array.dictionary_decode())
    if types.is_run_end_encoded(kind):
        return plain(pc.run_end_decode(array))
    if types.is_string_view(kind):
        return array.cast(pa.string())
    if is_binary(kind):
        return array.cast(pa.binary()) if types.is_binary_view(kind) else array
    if types.is_date64(kind):
        return array.cast(pa.date32())
    if types.is_float16(kind):
        return array.cast(pa.float32())
    if types.is_decimal32(kind) or types.is_decimal64(kind):
        return array.cast(pa.decimal128(38 if kind.scale >= 0 else kind.precision, kind.scale))
    return array


def texts(array: pa.Array, style: TextStyle, nested: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """A column that went through `plain` as a (large_)string column, NULL kept.

    Args:
        nested: makes texts of lists, structs and maps.

    Raises:
        MisfitError: a value that has no representation.
    """
    kind = array.type
    if types.is_string(kind) or types.is_large_string(kind):
        return checked(array)
    if types.is_floating(kind):
        return float_texts(array)
    if types.is_decimal(kind):
        return decimal_texts(array)
    if types.is_date(kind):
        return date_texts(array, style.date_pattern)
    if types.is_timestamp(kind):
        return moment_texts(array, style.timezone, style.moment_pattern)
    if types.is_time(kind):
        return time_texts(array)
    if types.is_duration(kind):
        return duration_texts(array)
    if types.is_interval(kind):
        return interval_texts(array)
    if is_binary(kind):
        return _each(array, _base64)
    if types.is_nested(kind):
        return nested(array)
    return array.cast(pa.string())  # integers, booleans, nothing but NULLs


def joined(*parts: pa.Array | str, null_text: str | None = None) -> pa.Array:
    """The parts row by row, one after the other. NULL where a part is, unless `null_text` stands for it.

    The kernel wants one width of offsets: one large_string makes all large.
    """
    kind = pa.string()
    if any(not isinstance(part, str) and types.is_large_string(part.type) for part in parts):
        kind = pa.large_string()
        parts = tuple(pa.scalar(part, kind) if isinstance(part, str) else part.cast(kind) for part in parts)
    nothing = pa.scalar("", kind)
    if null_text is None:
        return pc.binary_join_element_wise(*parts, nothing)
    return pc.binary_join_element_wise(*parts, nothing, null_handling="replace", null_replacement=null_text)


def is_number(kind: pa.DataType) -> bool:
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))


def is_binary(kind: pa.DataType) -> bool:
    return bool(
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_fixed_size_binary(kind)
        or types.is_binary_view(kind)
    )


def checked(array: pa.Array) -> pa.Array:
    """The text column itself, which is valid UTF-8."""
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        for index, value in enumerate(array):
            try:
                value.as_py()
            except UnicodeDecodeError as error:
                hint = "Convert it in the query, for example to hexadecimal digits."
                raise MisfitError(index, "bytes that are no text", hint) from error
        raise
    return array


def float_texts(array: pa.Array) -> pa.Array:
    found = array.cast(pa.string())
    values = (pc.fill_null(array, 0) if array.null_count else array).to_numpy(zero_copy_only=False)
    if not np.isfinite(values).all():
        for spelled, name in (("nan", "NaN"), ("-nan", "NaN"), ("inf", "Infinity"), ("-inf", "-Infinity")):
            found = pc.if_else(pc.equal(found, spelled), name, found)
    if (np.signbit(values) & (values == 0)).any():
        found = pc.if_else(pc.equal(found, "-0"), "-0.0", found)  # some readers see the integer 0 in `-0`
    return found


def interval_texts(array: pa.Array) -> pa.Array:
    return _each(array, _interval)


def decimal_texts(array: pa.Array) -> pa.Array:
    kind = array.type
    found = array.cast(pa.string())
    if 0 <= kind.scale <= _PLAIN_SCALE or not np.any(string_bytes(found) == _EXPONENT):
        return found
    whole = (pa.decimal128 if types.is_decimal128(kind) else pa.decimal256)(kind.precision, 0)
    digits = pa.Array.from_buffers(whole, len(array), array.buffers(), array.null_count, array.offset).cast(pa.string())
    if kind.scale < 0:
        return pc.if_else(pc.equal(digits, "0"), "0", joined(digits, "0" * -kind.scale))
    padded = pc.utf8_lpad(pc.utf8_ltrim(digits, "-"), kind.scale + 1, "0")
    sign = pc.if_else(pc.starts_with(digits, "-"), "-", "")
    before = pc.utf8_slice_codeunits(padded, 0, -kind.scale)
    return joined(sign, before, ".", pc.utf8_slice_codeunits(padded, -kind.scale))


def _is_known(kind: pa.DataType) -> bool:
    if isinstance(kind, pa.BaseExtensionType):
        return _is_known(kind.storage_type)
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        return _is_known(kind.value_type)
    if types.is_union(kind):
        return False
    if types.is_struct(kind):
        names = [field.name for field in kind]
        return len(set(names)) == len(names) and all(_is_known(field.type) for field in kind)
    if types.is_map(kind):
        return _is_known(kind.key_type) and _is_known(kind.item_type)
    if types.is_nested(kind):
        return _is_known(kind.value_type)
    return True


def _each(array: pa.Array, text: Callable[[Any], str]) -> pa.Array:
    return pa.array([None if value is None else text(value) for value in array.to_pylist()], pa.string())


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _uuids(storage: pa.Array) -> pa.Array:
    digits = _each(storage, bytes.hex)
    ends = [0, 8, 12, 16, 20, 32]
    groups = [pc.utf8_slice_codeunits(digits, start, stop) for start, stop in itertools.pairwise(ends)]
    return pc.binary_join_element_wise(*groups, "-")


def _interval(value: Any) -> str:
    years, months = _split(value.months, 12)
    minutes, nanos = _split(value.nanoseconds, 60 * _NANOS)
    hours, minutes = _split(minutes, 60)
    date = "".join(f"{count}{unit}" for count, unit in ((years, "Y"), (months, "M"), (value.days, "D")) if count)
    time = "".join(f"{count}{unit}" for count, unit in ((hours, "H"), (minutes, "M")) if count)
    if nanos:
        seconds, fraction = _split(abs(nanos), _NANOS)
        digits = f"{fraction:09d}"
        while digits.endswith("000"):
            digits = digits[:-3]
        time += f"{'-' if nanos < 0 else ''}{seconds}{'.' if digits else ''}{digits}S"
    return f"P{date}{'T' if time else ''}{time}" if date or time else "PT0S"


def _split(count: int, per: int) -> tuple[int, int]:
    """Quotient and rest, both with the sign of `count`."""
    quotient, rest = divmod(abs(count), per)
    return (quotient, rest) if count >= 0 else (-quotient, -rest)
