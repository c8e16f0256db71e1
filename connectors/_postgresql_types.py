"""PostgreSQL's column descriptions as Arrow types, and COPY's CSV as Arrow arrays. See docs/reference/types.md."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from shared.errors import SourceRejected
from shared.plugins import SourceType
from shared.plugins.arrow_text import decimal_text
from shared.plugins.connector import EVERYTHING_ELSE

# Object ids of pg_type: fixed since PostgreSQL 7.
_TYPES: dict[int, pa.DataType] = {
    16: pa.bool_(),
    17: pa.binary(),
    20: pa.int64(),
    21: pa.int16(),
    23: pa.int32(),
    26: pa.int64(),
    700: pa.float32(),
    701: pa.float64(),
    1082: pa.date32(),
    1083: pa.time64("us"),
    1114: pa.timestamp("us"),
    1184: pa.timestamp("us", "UTC"),
}
_NUMERIC = 1700
_PLACE = re.compile(r"CSV column #(\d+)(?:: Row #(\d+))?")

SOURCE_TYPES = (
    SourceType(("boolean",), "bool", "boolean"),
    SourceType(("smallint",), "int16", "integer"),
    SourceType(("integer",), "int32", "integer"),
    SourceType(("bigint", "oid"), "int64", "integer"),
    SourceType(("real",), "float", "float"),
    SourceType(("double precision",), "double", "float"),
    SourceType(
        ("numeric(p, s)",), "decimal128(p, s) or decimal256(p, s)", "decimal", "up to 76 digits; NaN is an error"
    ),
    SourceType(
        ("numeric",),
        "string",
        "decimal text",
        "any number of digits; also numeric(p, s) of more than 76 digits, with s below 0 or beyond p",
    ),
    SourceType(("date",), "date32[day]", "date", "infinity and years outside of 1 to 9999 are errors"),
    SourceType(("time", "time(n)"), "time64[us]", "time", "24:00:00 is an error"),
    SourceType(("timestamp", "timestamp(n)"), "timestamp[us]", "timestamp", "like dates"),
    SourceType(
        ("timestamptz", "timestamptz(n)"),
        "timestamp[us, tz=UTC]",
        "timestamp with zone",
        "the session's zone is UTC; like dates",
    ),
    SourceType(("bytea",), "binary", "binary"),
    SourceType(
        ("text", "varchar(n)", "char(n)", "json", "jsonb", "uuid", "interval", "enum", "text[]", EVERYTHING_ELSE),
        "string",
        "text",
        "in PostgreSQL's own form: intervals in ISO 8601 (`P1Y2M-3DT4.5S`), arrays as `{1,NULL}`, time with time zone "
        "as `12:00:00+02`, ranges, inet, money …",
    ),
)


class CsvColumns:
    """The columns of one query.

    Args:
        description: of the driver: name, type's object id, …, precision, scale.
    """

    def __init__(self, description: Sequence[Any]) -> None:
        if not description:
            raise SourceRejected("The query has no columns.")
        self.schema = pa.schema([_field(column) for column in description])
        keys = [str(position) for position in range(len(description))]  # names may repeat, keys must not
        read_as = [pa.string() if _is_read_as_text(field.type) else field.type for field in self.schema]
        self._keys = keys
        self._parse = arrow_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False)
        self._convert = arrow_csv.ConvertOptions(
            column_types=dict(zip(keys, read_as, strict=True)),
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=[""],
            true_values=["t"],
            false_values=["f"],
            timestamp_parsers=[arrow_csv.ISO8601],
        )

    def parse(self, block: bytes, row: int) -> Iterator[pa.RecordBatch]:
        """The rows of one block; `row` rows came before it.

        Raises:
            SourceRejected: a value that its type cannot hold, such as `infinity` as a date.
        """
        options = arrow_csv.ReadOptions(column_names=self._keys, block_size=len(block) + 1, use_threads=False)
        try:
            table = arrow_csv.read_csv(pa.BufferReader(block), options, self._parse, self._convert)
        except pa.ArrowInvalid as error:
            raise self._misfit(str(error), row) from error
        for batch in table.combine_chunks().to_batches():
            columns = [_finished(column, field, row) for column, field in zip(batch.columns, self.schema, strict=True)]
            yield pa.RecordBatch.from_arrays(columns, schema=self.schema)
            row += batch.num_rows

    def _misfit(self, message: str, row: int) -> SourceRejected:
        match = _PLACE.search(message)
        if match is None:
            return SourceRejected("PostgreSQL sent rows that cannot be read.", hint=message[:200])
        name, kind = self.schema.names[int(match[1])], self.schema.types[int(match[1])]
        where = f"Row {row + int(match[2]):,}, column" if match[2] else "Column"
        return SourceRejected(f"{where} {name}: the value does not fit into {kind}.", hint=_hint(name))


def _field(column: Any) -> pa.Field:
    if column.type_code == _NUMERIC:
        return _numeric(column)
    return pa.field(column.name, _TYPES.get(column.type_code, pa.string()))


def _numeric(column: Any) -> pa.Field:
    precision, scale = column.precision, column.scale
    is_declared = precision not in (None, 65535) and scale is not None and 0 <= scale <= precision <= 76
    if not is_declared:  # numeric without scale holds any number of digits: exact as text
        return decimal_text(column.name)
    return pa.field(column.name, (pa.decimal128 if precision <= 38 else pa.decimal256)(precision, scale))


def _is_read_as_text(kind: pa.DataType) -> bool:
    """Arrow's CSV parser knows neither PostgreSQL's hexadecimal form nor decimals beyond 38 digits."""
    return bool(pa.types.is_binary(kind) or pa.types.is_decimal256(kind))


def _finished(column: pa.Array, field: pa.Field, row: int) -> pa.Array:
    if pa.types.is_binary(field.type):
        return _from_hex(column)
    if not pa.types.is_decimal256(field.type):
        return column
    is_number = pc.fill_null(pc.not_equal(column, "NaN"), True)
    if not pc.all(is_number).as_py():
        place = row + pc.index(is_number, False).as_py() + 1
        message = f"Row {place:,}, column {field.name}: the value does not fit into {field.type}."
        raise SourceRejected(message, hint=_hint(field.name))
    return column.cast(field.type)


def _hint(name: str) -> str:
    return f"Such values are infinity, NaN, 24:00 and years beyond 9999. Convert them in the query: {name}::text."


def _from_hex(column: pa.Array) -> pa.Array:
    return pa.array([None if text is None else bytes.fromhex(text[2:]) for text in column.to_pylist()], pa.binary())
