"""MySQL's column definitions as Arrow types, and its text values as Arrow arrays. See docs/reference/types.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from shared.errors import SourceRejected
from shared.plugins import SourceType
from shared.plugins.connector import EVERYTHING_ELSE

_UNSIGNED = 32
_BINARY_CHARSET = 63
_ZERO_DATE = "^0000|-00"
_INTEGERS = {1: 8, 2: 16, 3: 32, 8: 64, 9: 32}
_YEAR, _BIT, _JSON, _NEWDECIMAL, _DECIMAL = 13, 16, 245, 246, 0
_FLOAT, _DOUBLE, _TIMESTAMP, _DATE, _DATETIME, _NEWDATE = 4, 5, 7, 10, 12, 14
SOURCE_TYPES = (
    SourceType(("tinyint", "tinyint(1)"), "int8", "integer", "`tinyint1_as_boolean` makes a tinyint(1) a boolean"),
    SourceType(("smallint",), "int16", "integer"),
    SourceType(("mediumint", "int"), "int32", "integer"),
    SourceType(("bigint",), "int64", "integer"),
    SourceType(("tinyint unsigned",), "uint8", "integer"),
    SourceType(("smallint unsigned",), "uint16", "integer"),
    SourceType(("mediumint unsigned", "int unsigned"), "uint32", "integer"),
    SourceType(("bigint unsigned",), "uint64", "integer"),
    SourceType(("year",), "uint16", "integer"),
    SourceType(("bit(1)",), "bool", "boolean"),
    SourceType(("bit(n)",), "uint64", "integer"),
    SourceType(("decimal(p, s)",), "decimal128(p, s) or decimal256(p, s)", "decimal"),
    SourceType(
        ("float",),
        "float",
        "float",
        "the server sends 6 significant digits (8388609 becomes 8388610); `CAST(x AS DOUBLE)` in the query gives all",
    ),
    SourceType(("double",), "double", "float"),
    SourceType(("date",), "date32[day]", "date", "0000-00-00 is an error, or NULL with `zero_dates`: `null`"),
    SourceType(("datetime", "datetime(n)"), "timestamp[us]", "timestamp", "zero dates like dates"),
    SourceType(
        ("timestamp", "timestamp(n)"),
        "timestamp[us, tz=UTC]",
        "timestamp with zone",
        "the session's zone is UTC; zero dates like dates",
    ),
    SourceType(
        ("time", "time(n)"), "string", "text", "as the server writes it: `-838:59:59.000000`; it may exceed a day"
    ),
    SourceType(
        ("binary(n)", "varbinary(n)", "blob", "longblob"), "binary", "binary", "geometry too, in its inner form"
    ),
    SourceType(
        ("char(n)", "varchar(n)", "text", "longtext", "json", "enum", "set", EVERYTHING_ELSE),
        "string",
        "text",
        "uuid, inet6 and others of MariaDB as the server writes them",
    ),
)
_BYTES = {15, 249, 250, 251, 252, 253, 254, 255}


class MysqlColumns:
    """The columns of one result.

    Args:
        fields: PyMySQL's field descriptors.
        tinyint1_as_boolean: TINYINT(1) becomes a boolean.
        zero_dates_as_null: 0000-00-00 becomes NULL instead of an error.
    """

    def __init__(self, fields: Sequence[Any], tinyint1_as_boolean: bool, zero_dates_as_null: bool) -> None:
        self._fields = fields
        self._zero_dates_as_null = zero_dates_as_null
        types = [_arrow_type(field, tinyint1_as_boolean) for field in fields]
        self.schema = pa.schema([pa.field(field.name, kind) for field, kind in zip(fields, types, strict=True)])

    def is_binary(self, position: int) -> bool:
        """Does the wire carry bytes, not text?"""
        return bool(self._fields[position].type_code == _BIT or pa.types.is_binary(self.schema.types[position]))

    def convert(self, values: pa.Array, position: int, row: int) -> pa.Array:
        """Text values (string_view or binary_view) as the column's type; `row` rows came before.

        Raises:
            SourceRejected: a value that the type cannot hold, by row and column.
        """
        kind = self.schema.types[position]
        if self._fields[position].type_code == _BIT:
            return _bits(values, kind)
        if pa.types.is_binary(kind):
            return values.cast(pa.binary())
        text = values.cast(pa.string())
        if kind == pa.string():
            return text
        try:
            return _typed(text, kind)
        except pa.ArrowInvalid as error:
            if self._zero_dates_as_null and (pa.types.is_date(kind) or pa.types.is_timestamp(kind)):
                zero = pc.match_substring_regex(text, _ZERO_DATE)
                return _typed(pc.if_else(zero, pa.scalar(None, pa.string()), text), kind)
            raise self._misfit(text, kind, position, row) from error

    def _misfit(self, text: pa.Array, kind: pa.DataType, position: int, row: int) -> SourceRejected:
        name = self.schema.field(position).name
        for offset, value in enumerate(text):
            try:
                _typed(pa.array([value.as_py()], pa.string()), kind)
            except pa.ArrowInvalid:
                is_date = pa.types.is_date(kind) or pa.types.is_timestamp(kind)
                hint = "It is a zero date: set zero_dates to null, or convert it in the query." if is_date else None
                return SourceRejected(
                    f"Row {row + offset + 1:,}, column {name}: the value does not fit into {kind}.", hint=hint
                )
        return SourceRejected(f"Column {name}: a value does not fit into {kind}.")


def _arrow_type(field: Any, tinyint1_as_boolean: bool) -> pa.DataType:
    code, is_unsigned = field.type_code, bool(field.flags & _UNSIGNED)
    if code in _INTEGERS:
        if code == 1 and field.length == 1 and tinyint1_as_boolean:
            return pa.bool_()
        return getattr(pa, f"{'u' if is_unsigned else ''}int{_INTEGERS[code]}")()
    if code == _BIT:
        return pa.bool_() if field.length == 1 else pa.uint64()
    if code in (_NEWDECIMAL, _DECIMAL):
        # The length counts digits, a point if there is a scale, and a sign unless unsigned.
        precision = max(1, field.length - (1 if field.scale else 0) - (0 if is_unsigned else 1), field.scale)
        return pa.decimal128(precision, field.scale) if precision <= 38 else pa.decimal256(precision, field.scale)
    plain = {
        _YEAR: pa.uint16(),
        _FLOAT: pa.float32(),
        _DOUBLE: pa.float64(),
        _DATE: pa.date32(),
        _NEWDATE: pa.date32(),
        _DATETIME: pa.timestamp("us"),
        _TIMESTAMP: pa.timestamp("us", "UTC"),
    }
    if code in plain:
        return plain[code]
    is_binary = code in _BYTES and code != _JSON and field.charsetnr == _BINARY_CHARSET
    return pa.binary() if is_binary else pa.string()  # TIME is text: it may exceed 24 hours


def _typed(text: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_boolean(kind):
        unknown = pc.and_(pc.is_valid(text), pc.invert(pc.is_in(text, pa.array(["0", "1"]))))
        if pc.any(unknown).as_py():
            raise pa.ArrowInvalid("neither 0 nor 1")
        return pc.equal(text, "1")
    if pa.types.is_timestamp(kind):
        moments = text.cast(pa.timestamp("us"))
        return pc.assume_timezone(moments, "UTC") if kind.tz else moments
    return text.cast(kind)


def _bits(values: pa.Array, kind: pa.DataType) -> pa.Array:
    numbers = [None if value is None else int.from_bytes(value, "big") for value in values.to_pylist()]
    return pa.array([None if n is None else bool(n) for n in numbers] if pa.types.is_boolean(kind) else numbers, kind)
