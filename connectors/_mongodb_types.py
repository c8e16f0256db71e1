"""MongoDB's types as Arrow, by the names that `$type` has for them. See docs/reference/types.md."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import pyarrow as pa
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from shared.plugins import SourceType
from shared.plugins.arrow_text import decimal_text
from shared.plugins.connector import EVERYTHING_ELSE

_DECIMAL = re.compile(r"decimal\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)\Z")
_EXACT_INTEGER = 2**53
_INT32 = 2**31
_FIRST_MOMENT, _LAST_MOMENT = -62_135_596_800_000, 253_402_300_799_999
"""Milliseconds of the years 0001 and 9999: what dates elsewhere can hold."""

_ARROW = {
    "string": pa.string(),
    "objectId": pa.string(),
    "uuid": pa.string(),
    "bool": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "double": pa.float64(),
    "date": pa.timestamp("ms", "UTC"),
    "binData": pa.binary(),
    "json": pa.string(),
}
SOURCE_TYPES = (
    SourceType(("string",), "string", "text", "symbols too"),
    SourceType(("objectId",), "string", "text", "24 hexadecimal digits"),
    SourceType(("uuid",), "string", "text", "binData of subtype 4; subtype 3 is binary"),
    SourceType(("bool",), "bool", "boolean"),
    SourceType(("int",), "int32", "integer", "only where it is declared: a sampled int column is long"),
    SourceType(("long",), "int64", "integer", "int and long"),
    SourceType(("double",), "double", "float", "int and long too, up to 2^53; beyond is an error"),
    SourceType(
        ("decimal",), "string", "decimal text", "Decimal128 with all its digits, int, long; NaN and Infinity are errors"
    ),
    SourceType(
        ("decimal(p, s)",),
        "decimal128(p, s) or decimal256(p, s)",
        "decimal",
        "only where it is declared; a value with more digits is an error, nothing is rounded",
    ),
    SourceType(("date",), "timestamp[ms, tz=UTC]", "timestamp with zone", "years outside of 1 to 9999 are errors"),
    SourceType(("binData",), "binary", "binary", "every subtype but 4"),
    SourceType(
        ("object", "array", "regex", "javascript", "timestamp", "minKey", "maxKey", "dbPointer", EVERYTHING_ELSE),
        "string",
        "text",
        'Extended JSON (relaxed), column type json: `[1,{"$numberDecimal":"1.50"}]`; a sampled object becomes '
        "columns with dotted names unless `documents` is json; null and a missing field are NULL",
    ),
)
NAMES = (*_ARROW, "decimal", "decimal(p, s)")

Convert = Callable[[Any], Any]


def _known(name: str) -> str:
    match = _DECIMAL.match(name)
    is_decimal = match is not None and 0 < int(match[1]) <= 76 and int(match[2]) <= int(match[1])
    if not (is_decimal or name == "decimal" or name in _ARROW):
        raise ValueError(f"must be one of {', '.join(NAMES)}")
    return name


Name = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f]+$")]


class DeclaredColumn(BaseModel):
    """A column of the result, as the query declares it. Without `path` the name is the path."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    name: Name
    path: Name | None = None
    type: Annotated[str, AfterValidator(_known)] = Field(description="A BSON type, or json for any value as JSON text.")

    @property
    def steps(self) -> tuple[str, ...]:
        return tuple((self.path or self.name).split("."))


def arrow_field(name: str, kind: str) -> pa.Field:
    """The field of a column whose type is `kind`, one of NAMES."""
    match = _DECIMAL.match(kind)
    if match:
        precision, scale = int(match[1]), int(match[2])
        return pa.field(name, pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale))
    return decimal_text(name) if kind == "decimal" else pa.field(name, _ARROW[kind])


def converters(kind: str) -> Mapping[type, Convert]:
    """What turns a value of the driver into one for the column, by the value's exact type; others do not fit.

    The functions raise ValueError for a value that the column cannot hold.
    """
    from bson import Binary, Decimal128, Int64, ObjectId
    from bson.datetime_ms import DatetimeMS

    plain: dict[str, dict[type, Convert]] = {
        "string": {str: _same},
        "objectId": {ObjectId: str},
        "uuid": {UUID: str},
        "bool": {bool: _same},
        "int": {int: _int32, Int64: _int32},
        "long": {int: _same, Int64: int},
        "double": {float: _same, int: _double, Int64: _double},
        "date": {DatetimeMS: _moment},
        "binData": {bytes: _same, Binary: bytes},
        "decimal": {Decimal128: _decimal_digits, int: str, Int64: str},
    }
    if kind.startswith("decimal("):
        match = _DECIMAL.match(kind)
        assert match is not None
        fits = _scaled(int(match[1]), int(match[2]))
        return {
            Decimal128: lambda value: fits(value.to_decimal()),
            int: lambda value: fits(Decimal(value)),
            Int64: lambda value: fits(Decimal(int(value))),
        }
    return plain[kind]


def kind_of(value: Any) -> str:
    """The type that a sampled value asks for; `other` for those that only JSON can show."""
    return _kinds().get(type(value), "other")


def common_kind(kinds: set[str]) -> str | None:
    """The one type for a field in which values of these were seen; None if they do not go together.

    Drivers write a whole number as int or long by its size, and shells write it as double, so these belong together.
    """
    if len(kinds) == 1:
        (kind,) = kinds
        return {"int": "long", "object": "json", "array": "json", "other": "json"}.get(kind, kind)
    if not kinds:
        return "string"
    if kinds <= {"object", "array"}:
        return "json"
    for wide in ("long", "double", "decimal"):
        if kinds <= {"int", "long", wide}:
            return wide
    return None


def json_text(value: Any) -> str:
    """MongoDB Extended JSON (relaxed): numbers, texts and booleans as JSON has them, other types by name."""
    from bson import json_util

    options = json_util.RELAXED_JSON_OPTIONS
    return json_util.dumps(value, json_options=options, ensure_ascii=False, separators=(",", ":"))


def _kinds() -> dict[type, str]:
    from bson import Binary, Decimal128, Int64, ObjectId
    from bson.datetime_ms import DatetimeMS

    return {
        str: "string",
        ObjectId: "objectId",
        UUID: "uuid",
        bool: "bool",
        int: "int",
        Int64: "long",
        float: "double",
        Decimal128: "decimal",
        DatetimeMS: "date",
        bytes: "binData",
        Binary: "binData",
        dict: "object",
        list: "array",
    }


def _same(value: Any) -> Any:
    return value


def _int32(value: int) -> int:
    if not -_INT32 <= value < _INT32:
        raise ValueError
    return int(value)


def _double(value: int) -> float:
    if abs(value) > _EXACT_INTEGER:
        raise ValueError
    return float(value)


def _moment(value: Any) -> int:
    milliseconds = int(value)
    if not _FIRST_MOMENT <= milliseconds <= _LAST_MOMENT:
        raise ValueError
    return milliseconds


def _decimal_digits(value: Any) -> str:
    number = value.to_decimal()
    if not number.is_finite():
        raise ValueError
    return format(number, "f")


def _scaled(precision: int, scale: int) -> Convert:
    def fits(number: Decimal) -> Decimal:
        """The same number, or an error: it is never rounded."""
        if not number.is_finite():
            raise ValueError
        sign, digits, exponent = number.as_tuple()
        assert isinstance(exponent, int)
        if not any(digits):
            return Decimal((sign, (0,), -scale))
        while exponent < -scale and digits[-1] == 0:
            digits, exponent = digits[:-1], exponent + 1
        if exponent < -scale or len(digits) + exponent > precision - scale:
            raise ValueError
        return Decimal((sign, digits, exponent))

    return fits
