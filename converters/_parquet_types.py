"""Arrow types as Parquet can hold them: nearly all as they are, the rest as text that says what it means."""

from __future__ import annotations

import pyarrow as pa
from pyarrow import types

from converters._texts import decimal_texts, interval_texts, plain
from shared.errors import ConversionRejected
from shared.plugins.arrow_text import decimal_text

_MOST_DIGITS = 38
"""Decimals of more digits are in the format, but other readers round them (DuckDB) or give up (Spark)."""
_INTERVAL = {b"report_hub.meaning": b"interval"}


def parquet_schema(schema: pa.Schema) -> pa.Schema:
    """Raises ConversionRejected, naming the column, for a type that Parquet cannot hold."""
    return pa.schema([_field(field) for field in schema])


def parquet_rows(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    columns = [_column(array, field.type) for array, field in zip(batch.columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _field(field: pa.Field) -> pa.Field:
    kind = field.type
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        return _field(field.with_type(kind.value_type))
    if types.is_string_view(kind):
        return field.with_type(pa.string())
    if types.is_decimal(kind) and _is_text(kind):
        return decimal_text(field.name).with_nullable(field.nullable)
    if types.is_interval(kind):
        return pa.field(field.name, pa.string(), field.nullable, _INTERVAL)
    if not _is_storable(kind):
        raise ConversionRejected(
            f"Column {field.name} is of the type {kind}, which Parquet cannot hold.",
            hint="Convert it to text in the query.",
        )
    return field


def _column(array: pa.Array, kind: pa.DataType) -> pa.Array:
    if array.type == kind:
        return array
    array = plain(array)
    if types.is_decimal(array.type):
        return decimal_texts(array)
    if types.is_interval(array.type):
        return interval_texts(array)
    return array.cast(kind)


def _is_text(kind: pa.DataType) -> bool:
    return bool(kind.precision > _MOST_DIGITS or kind.scale < 0)


def _is_storable(kind: pa.DataType) -> bool:
    if isinstance(kind, pa.BaseExtensionType):
        return _is_storable(kind.storage_type)
    if types.is_map(kind):
        return _is_storable(kind.key_type) and _is_storable(kind.item_type)
    if types.is_struct(kind):
        return kind.num_fields > 0 and all(_is_storable(field.type) for field in kind)
    if types.is_union(kind) or types.is_interval(kind) or types.is_run_end_encoded(kind):
        return False
    if types.is_decimal(kind):
        return not _is_text(kind)
    return _is_storable(kind.value_type) if types.is_nested(kind) else True
