"""Parquet files: types as they are, zstd, checksums of the pages, and what the report says about itself."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Literal

import pyarrow as pa
from pydantic import Field

from converters._json_rows import check_names, plain_json
from converters._parquet_types import parquet_rows, parquet_schema
from shared.errors import ConversionRejected
from shared.plugins import Control, Converter, PluginConfig, ReportInfo

_GROUP_BYTES = 32 << 20
_DICTIONARY_BYTES = 128 << 10
"""A column with more distinct values has no dictionary; Arrow's 1 MiB makes files larger and takes twice the time."""


class ParquetConfig(PluginConfig):
    compression: Literal["zstd", "snappy", "gzip", "none"] = Field(
        "zstd", title="Compression", description="zstd is small and fast; snappy and gzip are for old readers."
    )
    row_group_rows: int = Field(
        131_072,
        title="Rows of a row group",
        description="At most this many rows are in a row group; wide rows give smaller groups.",
        ge=1_000,
        le=1_048_576,
    )


class ParquetConverter(Converter[ParquetConfig]):
    kind = "parquet"
    title = "Parquet"
    config_model = ParquetConfig
    extension = "parquet"
    media_type = "application/vnd.apache.parquet"
    representations: ClassVar[Mapping[str, str]] = {
        "NULL": "NULL",
        "empty text": "the empty string",
        "text": "STRING",
        "boolean": "BOOLEAN",
        "integer": "INT of the same width and sign",
        "decimal": "DECIMAL of the same precision and scale; with more than 38 digits as decimal text",
        "decimal text": "STRING, with the field metadata `report_hub.meaning` = `decimal`",
        "float": "FLOAT16, FLOAT or DOUBLE",
        "NaN and infinity": "themselves",
        "date": "DATE",
        "time": "TIME in ms, µs or ns (seconds as ms)",
        "timestamp": "TIMESTAMP in ms, µs or ns (seconds as ms), not adjusted to UTC",
        "timestamp with zone": "TIMESTAMP like that, adjusted to UTC; the zone is in the Arrow schema",
        "duration": "INT64 in its unit; the type is in the Arrow schema, which pyarrow, pandas and Polars read",
        "interval": "STRING, ISO 8601: `P1M2DT3S`, with the field metadata `report_hub.meaning` = `interval`",
        "binary": "BYTE_ARRAY, of fixed size where it is",
        "UUID": "UUID",
        "list": "LIST; of intervals or decimals of more than 38 digits: rejected, naming the column",
        "struct": "a group; without fields: rejected, naming the column",
        "map": "MAP",
        "dictionary": "the value that it stands for",
        "other": "rejected, naming the column",
    }

    def write(self, batches: pa.RecordBatchReader, sink: BinaryIO, info: ReportInfo, control: Control) -> int:
        from pyarrow import parquet

        if not batches.schema.names:
            raise ConversionRejected("The query has no columns, so there is nothing to write.")
        check_names(batches.schema, "many readers of Parquet", "Give each column its own name in the query.")
        schema = parquet_schema(batches.schema)
        row_count = 0
        with _abandoned_on_error(sink) as guarded:
            writer = parquet.ParquetWriter(
                guarded,
                schema,
                compression=self.config.compression,
                dictionary_pagesize_limit=_DICTIONARY_BYTES,
                write_page_checksum=True,
            )
            for group in _row_groups(batches, schema, self.config.row_group_rows, control):
                writer.write_table(group, row_group_size=group.num_rows)
                row_count += group.num_rows
                control.report("convert", row_count)
            writer.add_key_value_metadata(_facts(info, row_count))
            writer.close()
        return row_count

    def count_rows(self, path: Path, control: Control) -> int | None:
        from pyarrow import parquet

        rows = 0
        try:
            with parquet.ParquetFile(path, page_checksum_verification=True, pre_buffer=False) as file:
                for batch in file.iter_batches(batch_size=16_384):
                    control.check()
                    rows += batch.num_rows
                promised = file.metadata.num_rows
        except (pa.ArrowException, OSError) as error:
            raise ConversionRejected(f"{path.name} is damaged: it is no readable Parquet file.") from error
        if rows != promised:
            raise ConversionRejected(f"{path.name} is damaged: it promises {promised:,} rows and holds {rows:,}.")
        return rows


def _row_groups(batches: pa.RecordBatchReader, schema: pa.Schema, rows: int, control: Control) -> Iterator[pa.Table]:
    """Tables of so many rows, or fewer where they are wide."""
    waiting: list[pa.RecordBatch] = []
    waiting_rows = waiting_bytes = 0
    for batch in batches:
        control.check()
        while batch.num_rows:
            fitting = min(rows - waiting_rows, _rows_for(batch, _GROUP_BYTES - waiting_bytes))
            piece = batch.slice(0, fitting)
            waiting.append(parquet_rows(piece, schema))
            waiting_rows += piece.num_rows
            waiting_bytes += piece.nbytes
            batch = batch.slice(piece.num_rows)
            if waiting_rows >= rows or waiting_bytes >= _GROUP_BYTES:
                control.check()
                yield pa.Table.from_batches(waiting, schema).combine_chunks()
                waiting, waiting_rows, waiting_bytes = [], 0, 0
    if waiting:
        yield pa.Table.from_batches(waiting, schema).combine_chunks()


def _rows_for(batch: pa.RecordBatch, size: int) -> int:
    """About as many rows of the batch as have this size, at least one."""
    rows: int = -(-batch.num_rows * size // max(1, batch.nbytes))
    return max(1, rows)


def _facts(info: ReportInfo, row_count: int) -> dict[str, str]:
    facts = {
        "name": info.name,
        "execution_id": info.execution_id,
        "scheduled_for": info.scheduled_for.isoformat(),
        "generated_at": info.generated_at.isoformat(),
        "timezone": info.timezone,
        "parameters": json.dumps(plain_json(info.parameters), ensure_ascii=False),
        "rows": str(row_count),
        "notes": json.dumps(info.notes, ensure_ascii=False),
    }
    return {f"report_hub.{name}": value for name, value in facts.items()}


class _Sink:
    """Passes bytes on until the file is given up."""

    closed = False

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink
        self.is_abandoned = False

    def write(self, data: Any) -> int:
        if not self.is_abandoned:
            self._sink.write(data)
        size: int = memoryview(data).nbytes
        return size

    def flush(self) -> None:
        """The owner of the sink flushes it."""

    def close(self) -> None:
        """The owner of the sink closes it."""


@contextlib.contextmanager
def _abandoned_on_error(sink: BinaryIO) -> Iterator[_Sink]:
    """Arrow's writer ends a file when it is thrown away; an unfinished one must not look whole."""
    guarded = _Sink(sink)
    try:
        yield guarded
    except BaseException:
        guarded.is_abandoned = True
        raise
