"""Commands that move rows in this process: convert (a converter alone), fetch (a connector alone)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError
from sqlalchemy import select

from cli.files import new_file
from execution_engine.orders import SourceOrder
from execution_engine.pipeline import guarded_text
from execution_engine.preparing import Preparer
from shared.db.database import DEFAULT_TENANT
from shared.db.models import Datasource
from shared.errors import ConversionRejected, FieldProblem, InvalidInput, NotFound
from shared.plugins import Control, PluginConfig, Query, ReportInfo, load, require_drivers
from shared.web import ServiceContext

Progress = Callable[[str, int], None]
_BATCH_ROWS = 16_384


@dataclass(frozen=True, slots=True)
class Written:
    """What was written, and what the converter wants people to know."""

    rows: int
    seconds: float
    size: int
    warnings: tuple[str, ...] = ()


def convert(source: Path, kind: str, output: Path, options: str, progress: Progress) -> Written:
    """Rows of a Parquet or Arrow file into a file of another format, read back and counted.

    Raises:
        InvalidInput: no such format, options that it does not have, an input that cannot be read.
        ConversionRejected: a value that the format cannot hold.
    """
    converter = load("converter", kind)
    require_drivers(converter)
    plugin = converter(_options(converter.config_model, options))
    now = datetime.now(UTC)
    info = ReportInfo(name=output.stem, scheduled_for=now, generated_at=now)
    control = Control(progress=progress)
    started = time.perf_counter()
    with _opened(source) as batches, new_file(output) as file:
        rows = plugin.write(_counted(batches, control), file, info, control)
    read_back = plugin.count_rows(output, control)
    if read_back not in (None, rows):
        raise ConversionRejected(f"{output} is not whole: {rows:,} rows were written, {read_back:,} read back.")
    return Written(rows, time.perf_counter() - started, output.stat().st_size, tuple(info.warnings))


def fetch(
    context: ServiceContext, datasource: str, query: str, params: dict[str, str], output: Path, progress: Progress
) -> Written:
    """Rows of a query into an Arrow IPC file.

    Raises:
        NotFound: no such datasource.
        QueryRefused, SourceRejected, SourceUnavailable: as of the connector.
    """
    source = _source(context, datasource)
    connector = load("connector", source.kind)
    require_drivers(connector)
    control = Control(context.settings.max_timeout, progress, context.settings.network_policy)
    text = guarded_text(query, connector.capabilities.dialect)
    started = time.perf_counter()
    with connector(source.config).stream(Query(text, params), control) as reader, new_file(output) as file:
        rows = _write_arrow(_counted(reader, control), file)
    return Written(rows, time.perf_counter() - started, output.stat().st_size)


def _options(model: type[PluginConfig], options: str) -> PluginConfig:
    try:
        return model.model_validate_json(options, strict=True)
    except ValidationError as error:
        problems = [
            FieldProblem(".".join(map(str, item["loc"])) or "options", item["msg"])
            for item in error.errors(include_input=False, include_url=False)
        ]
        raise InvalidInput("The options do not fit this format.", details=problems) from None


def _opened(path: Path) -> pa.RecordBatchReader:
    try:
        if path.suffix.lower() in (".arrow", ".feather", ".ipc"):
            file = pa.ipc.open_file(pa.memory_map(str(path)))
            batches: Iterator[pa.RecordBatch] = (file.get_batch(n) for n in range(file.num_record_batches))
            return pa.RecordBatchReader.from_batches(file.schema, batches)
        parquet = pq.ParquetFile(path)
        return pa.RecordBatchReader.from_batches(parquet.schema_arrow, parquet.iter_batches(_BATCH_ROWS))
    except (OSError, pa.ArrowInvalid) as error:
        raise InvalidInput(f"{path} cannot be read as Parquet or Arrow.", hint=str(error)) from error


def _counted(batches: pa.RecordBatchReader, control: Control) -> pa.RecordBatchReader:
    def watched() -> Iterator[pa.RecordBatch]:
        rows = 0
        for batch in batches:
            rows += batch.num_rows
            control.report("fetch", rows)
            yield batch

    return pa.RecordBatchReader.from_batches(batches.schema, watched())


def _write_arrow(batches: pa.RecordBatchReader, file: BinaryIO) -> int:
    rows = 0
    with pa.ipc.new_file(file, batches.schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows


def _source(context: ServiceContext, name_or_id: str) -> SourceOrder:
    with context.database.scoped(DEFAULT_TENANT) as session:
        wanted: Any = Datasource.id == int(name_or_id) if name_or_id.isdigit() else Datasource.name == name_or_id
        found = session.scalar(select(Datasource).where(wanted))
        if found is None:
            raise NotFound(f"There is no datasource {name_or_id!r}.")
        return Preparer(context.settings, context.vault).source(session, found.id)
