"""SQLite's declared types and values as Arrow."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa

from shared.errors import SourceRejected
from shared.plugins import SourceType

_DECIMAL = re.compile(r"(?:DECIMAL|NUMERIC|NUMBER)\s*\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_TOO_FINE = re.compile(r"[.,][0-9]{6}0*[1-9]")
_LONGEST_MOMENT, _LONGEST_TIME = len("2024-02-29 12:00:00.123456"), len("12:00:00.123456")
_EXACT_INTEGER = 2**53

SOURCE_TYPES = (
    SourceType(
        ("DECIMAL(p, s)", "NUMERIC(p, s)", "NUMBER(p, s)"),
        "decimal128(p, s) or decimal256(p, s)",
        "decimal",
        "a value with more digits is an error. SQLite itself keeps numbers in such columns as floats where they have a "
        "point: what comes is the shortest number that is the same float",
    ),
    SourceType(("BOOLEAN",), "bool", "boolean", "0 and 1; others are errors"),
    SourceType(("INTEGER", "INT", "BIGINT", "SMALLINT"), "int64", "integer"),
    SourceType(("TEXT", "VARCHAR(n)", "CHAR(n)", "CLOB", "JSON", "UUID"), "string", "text"),
    SourceType(("BLOB", "BINARY(n)"), "binary", "binary"),
    SourceType(("REAL", "FLOAT", "DOUBLE"), "double", "float", "integers beyond 2^53 are errors"),
    SourceType(
        ("DATETIME", "TIMESTAMP"),
        "timestamp[us]",
        "timestamp",
        "from ISO 8601; with an offset it is the moment in UTC. Parts of a microsecond, leap seconds and numbers are "
        "errors",
    ),
    SourceType(("DATE",), "date32[day]", "date", "from ISO 8601"),
    SourceType(
        ("TIME",), "time64[us]", "time", "from ISO 8601; an offset, 24:00 and parts of a microsecond are errors"
    ),
)


def declared_type(declared: str) -> pa.DataType | None:
    """The Arrow type of a declared type (https://www.sqlite.org/datatype3.html, and the names people use for dates);
    None where the declaration says nothing certain."""
    text = declared.strip().upper()
    if match := _DECIMAL.match(text):
        precision, scale = int(match[1]), int(match[2] or 0)
        if 0 < precision <= 76 and scale <= precision:
            return pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale)
        return None
    if "BOOL" in text:
        return pa.bool_()
    if "INT" in text:
        return pa.int64()
    if any(word in text for word in ("CHAR", "CLOB", "TEXT", "JSON", "UUID")):
        return pa.string()
    if "BLOB" in text or "BINARY" in text:
        return pa.binary()
    if any(word in text for word in ("REAL", "FLOA", "DOUB")):
        return pa.float64()
    if text.startswith(("DATETIME", "TIMESTAMP")):
        return pa.timestamp("us")
    if text == "DATE":
        return pa.date32()
    return pa.time64("us") if text == "TIME" else None


class ColumnReader:
    """Turns the values of one column into arrays of one type.

    Args:
        first: the rows of the first batch, which decide where nothing is declared.
    """

    def __init__(self, name: str, declared: str, first: Sequence[tuple[Any, ...]], position: int) -> None:
        self._name = name
        self._declared = declared
        kind = declared_type(declared)
        if kind is None:
            kind = _common_type({type(row[position]) for row in first} - {type(None)}, name)
        self.field = pa.field(name, kind)
        self._convert = _converter(kind)

    def array(self, values: Sequence[Any], offset: int) -> pa.Array:
        """Raises SourceRejected naming row (from 1) and column of the first value that does not fit."""
        try:
            return pa.array([None if value is None else self._convert(value) for value in values], self.field.type)
        except (ValueError, TypeError, ArithmeticError, pa.ArrowException):
            raise self._misfit(values, offset) from None

    def _misfit(self, values: Sequence[Any], offset: int) -> SourceRejected:
        row = next((number for number, value in enumerate(values, 1) if not self._fits(value)), 1)
        declared = f"is declared {self._declared}" if self._declared else f"began with values of type {self.field.type}"
        return SourceRejected(
            f"Row {offset + row:,}, column {self._name}: the value does not fit, because the column {declared}.",
            hint=f"Convert it in the query, for example CAST({self._name} AS TEXT).",
        )

    def _fits(self, value: Any) -> bool:
        try:
            pa.array([None if value is None else self._convert(value)], self.field.type)
        except (ValueError, TypeError, ArithmeticError, pa.ArrowException):
            return False
        return True


def _common_type(kinds: set[type], name: str) -> pa.DataType:
    if not kinds or kinds == {str}:
        return pa.string()
    if kinds == {int}:
        return pa.int64()
    if kinds <= {int, float}:
        return pa.float64()
    if kinds == {bytes}:
        return pa.binary()
    raise SourceRejected(
        f"Column {name} mixes values of several types.",
        hint=f"Convert it in the query, for example CAST({name} AS TEXT).",
    )


def _converter(kind: pa.DataType) -> Callable[[Any], Any]:
    if pa.types.is_decimal(kind):
        return _decimal
    if pa.types.is_boolean(kind):
        return _boolean
    if pa.types.is_floating(kind):
        return _float
    if pa.types.is_timestamp(kind):
        return _datetime
    if pa.types.is_date(kind):
        return _date
    if pa.types.is_time(kind):
        return _time
    exact: type = {pa.string(): str, pa.binary(): bytes}.get(kind, int)

    def same(value: Any) -> Any:
        if type(value) is not exact:
            raise TypeError
        return value

    return same


def _decimal(value: Any) -> Decimal:
    if isinstance(value, int):
        return Decimal(value)
    if isinstance(value, str) and _NUMBER.fullmatch(value):  # Decimal takes `1_5` and the digits of all scripts
        return Decimal(value)
    if isinstance(value, float):
        return Decimal(repr(value))  # the shortest text that is this number: what was written into the column
    raise TypeError


def _boolean(value: Any) -> bool:
    if value in (0, 1):
        return bool(value)
    raise ValueError


def _float(value: Any) -> float:
    if isinstance(value, float):
        return value
    if isinstance(value, int) and abs(value) <= _EXACT_INTEGER:
        return float(value)
    raise ValueError


def _datetime(value: Any) -> datetime:
    moment = datetime.fromisoformat(_exact(value, _LONGEST_MOMENT))
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


def _date(value: Any) -> date:
    return date.fromisoformat(_text(value))


def _time(value: Any) -> time:
    moment = time.fromisoformat(_exact(value, _LONGEST_TIME))
    if moment.tzinfo is not None:
        raise ValueError
    return moment


def _exact(value: Any, usual: int) -> str:
    """The text itself, unless Python would cut its fraction of a second."""
    text = _text(value)
    if len(text) > usual and _TOO_FINE.search(text):
        raise ValueError
    return text


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
