"""DuckDB's types as Arrow: what its export gets wrong is text, and what no calendar or 38 digits hold is an error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from shared.errors import SourceRejected
from shared.plugins import SourceType
from shared.plugins.arrow_text import decimal_text
from shared.plugins.connector import EVERYTHING_ELSE

SOURCE_TYPES = (
    SourceType(("BOOLEAN",), "bool", "boolean"),
    *(
        SourceType((f"{sign}{name}",), f"{sign.lower()}int{bits}", "integer")
        for name, bits in (("TINYINT", 8), ("SMALLINT", 16), ("INTEGER", 32), ("BIGINT", 64))
        for sign in ("", "U")
    ),
    SourceType(("HUGEINT",), "decimal128(38, 0)", "decimal", "a value of 39 digits is an error"),
    SourceType(("UHUGEINT", "BIGNUM"), "string", "decimal text"),
    SourceType(("DECIMAL(p, s)",), "decimal128(p, s)", "decimal"),
    SourceType(("FLOAT",), "float", "float"),
    SourceType(("DOUBLE",), "double", "float"),
    SourceType(("DATE",), "date32[day]", "date", "infinity and years outside of 1 to 9999 are errors"),
    SourceType(("TIME",), "time64[us]", "time", "24:00:00 is an error"),
    SourceType(("TIME_NS",), "time64[ns]", "time", "like TIME"),
    SourceType(("TIMESTAMP",), "timestamp[us]", "timestamp", "like dates"),
    SourceType(("TIMESTAMP_S",), "timestamp[s]", "timestamp", "like dates"),
    SourceType(("TIMESTAMP_MS",), "timestamp[ms]", "timestamp", "like dates"),
    SourceType(("TIMESTAMP_NS",), "timestamp[ns]", "timestamp", "like dates"),
    SourceType(
        ("TIMESTAMP WITH TIME ZONE",),
        "timestamp[us, tz=UTC]",
        "timestamp with zone",
        "the session's zone is UTC; like dates",
    ),
    SourceType(("INTERVAL",), "month_day_nano_interval", "interval"),
    SourceType(("BLOB", "GEOMETRY"), "binary", "binary", "geometry as WKB"),
    SourceType(
        ("VARCHAR", "JSON", "UUID", "ENUM", "TIME WITH TIME ZONE", "BIT", "VARIANT", EVERYTHING_ELSE),
        "string",
        "text",
        "as DuckDB casts them: `12:00:00+02`, `0101`",
    ),
    SourceType(("T[]",), "list", "list", "the items are what T becomes"),
    SourceType(("T[n]",), "fixed_size_list", "list", "the items are what T becomes"),
    SourceType(("STRUCT",), "struct", "struct"),
    SourceType(("MAP",), "map", "map"),
    SourceType(("UNION",), "sparse_union", "other"),
)

# In DuckDB's Arrow export TIMETZ loses its offset, UHUGEINT wraps around, the others are bytes in an inner form.
_NUMBERS = ("uhugeint", "bignum")
_TEXTS = ("time with time zone", "bit", "variant")
_WRONG_INSIDE = frozenset([*_NUMBERS, *_TEXTS])
_MOST = pa.scalar(10**38 - 1, pa.decimal128(38, 0))
_LEAST = pa.scalar(-(10**38) + 1, pa.decimal128(38, 0))
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896  # 0001-01-01 and 9999-12-31
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_INFINITY = 2**63 - 1
_DAY = 86_400


def exported(relation: Any) -> tuple[Any, list[int]]:
    """The relation with text where DuckDB's Arrow export is wrong, and which columns are then decimal text.

    Raises:
        SourceRejected: such a type inside a list, struct or map.
    """
    expressions, numbers = [], []
    for position, (name, kind) in enumerate(zip(relation.columns, relation.types, strict=True)):
        if kind.id in _WRONG_INSIDE:
            quoted = name.replace('"', '""')
            expressions.append(f'CAST(#{position + 1} AS VARCHAR) AS "{quoted}"')
            if kind.id in _NUMBERS:
                numbers.append(position)
        else:
            _reject_inside(kind, name)
            expressions.append(f"#{position + 1}")
    is_changed = any(not expression.startswith("#") for expression in expressions)
    return (relation.project(", ".join(expressions)) if is_changed else relation), numbers


def portable_schema(schema: pa.Schema, numbers: list[int]) -> pa.Schema:
    """Enums become text; other types of DuckDB pass as they are."""
    fields = [
        pa.field(field.name, field.type.value_type) if types.is_dictionary(field.type) else field for field in schema
    ]
    return pa.schema(
        [decimal_text(field.name) if position in numbers else field for position, field in enumerate(fields)]
    )


def reject_misfits(batch: pa.RecordBatch, row: int) -> None:
    """Raise SourceRejected, naming row and column, for the first value that stands for no date, time or number;
    `row` rows came before."""
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if any(not _fits(part) for part in _parts(column)):
            index = next(
                index for index in range(len(column)) if any(not _fits(part) for part in _parts(column.slice(index, 1)))
            )
            raise SourceRejected(
                f"Row {row + index + 1:,}, column {name}: the value does not fit into {column.type}.",
                hint="Such values are infinity, 24:00, years outside of 1 to 9999 and integers of 39 digits. "
                f"Convert them in the query: CAST({name} AS VARCHAR).",
            )


def _reject_inside(kind: Any, name: str) -> None:
    if kind.id not in ("list", "array", "struct", "map", "union"):
        return
    for _, child in kind.children:
        if getattr(child, "id", None) in _WRONG_INSIDE:
            raise SourceRejected(
                f"Column {name} holds the type {child} inside of another, which cannot be read exactly.",
                hint=f"Convert it in the query, for example CAST({name} AS VARCHAR).",
            )
        if hasattr(child, "id"):
            _reject_inside(child, name)


def _parts(column: pa.Array) -> Iterator[pa.Array]:
    """The column itself, or what is inside of lists, structs and maps."""
    kind = column.type
    if types.is_map(kind):
        offsets = column.offsets
        used = slice(offsets[0].as_py(), offsets[-1].as_py())
        yield from _parts(column.keys[used])
        yield from _parts(column.items[used])
    elif types.is_struct(kind):
        for child in column.flatten():
            yield from _parts(child)
    elif types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        yield from _parts(column.flatten())
    else:
        yield column


def _fits(column: pa.Array) -> bool:
    bounds = _bounds(column.type)
    if bounds is None:
        return True
    numbers = column
    if not types.is_decimal(column.type):
        numbers = column.cast(pa.int32() if types.is_date32(column.type) else pa.int64())
    found = pc.min_max(numbers)
    least, most = found["min"], found["max"]
    return not least.is_valid or bool(
        pc.greater_equal(least, bounds[0]).as_py() and pc.less_equal(most, bounds[1]).as_py()
    )


def _bounds(kind: pa.DataType) -> tuple[Any, Any] | None:
    if kind == pa.decimal128(38, 0):
        return _LEAST, _MOST
    if types.is_date32(kind):
        return pa.scalar(_FIRST_DAY, pa.int32()), pa.scalar(_LAST_DAY, pa.int32())
    if types.is_timestamp(kind):
        per_day = _DAY * _PER_SECOND[kind.unit]
        low, high = _FIRST_DAY * per_day, (_LAST_DAY + 1) * per_day - 1
        return pa.scalar(max(low, 1 - _INFINITY)), pa.scalar(min(high, _INFINITY - 1))
    if types.is_time(kind):
        return pa.scalar(0), pa.scalar(_DAY * _PER_SECOND[kind.unit] - 1)
    return None
