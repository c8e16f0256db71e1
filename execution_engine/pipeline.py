"""Runs inside a worker process: one fetch feeds all formats, with memory that does not grow with the rows."""

from __future__ import annotations

import contextlib
import hashlib
import queue
import threading
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

import pyarrow as pa

from execution_engine.metering import Meter
from execution_engine.orders import ExecutionOrder, ExecutionResult, FormatOrder, WrittenFile
from shared.errors import ConversionRejected, ReportHubError
from shared.plugins import Control, Converter, Query, ReportInfo, load, require_drivers
from shared.sql import check_sql, refuse
from shared.storage import storage_errors

_AHEAD = 4
"""Batches that the fetch may be ahead of the slowest writer."""


def run_execution(order: ExecutionOrder, control: Control) -> ExecutionResult:
    """Query → record batches → limits and control totals → one file per format, each read back and counted."""
    connector_type = load("connector", order.source.kind)
    require_drivers(connector_type)
    text = guarded_text(order.query, connector_type.capabilities.dialect)
    query = Query(text, order.params, tag=order.info.execution_id)
    control.report("query", 0)
    with connector_type(order.source.config).stream(query, control) as reader:
        meter = Meter(reader.schema, order.row_limit, order.on_cap, control, order.needs_content_hash)
        writers = [_Writer(item, order, reader.schema, control) for item in order.formats]
        _feed(writers, meter(iter(reader)), meter, order.info, control)
    files = tuple(writer.finished(meter.rows, control) for writer in writers)
    totals = meter.totals() | {
        "rows_written": {file.format: file.row_count for file in files},
        "rows_read_back": {file.format: file.rows_read_back for file in files},
    }
    return ExecutionResult(
        files=files,
        row_count=meter.rows,
        completeness=meter.completeness,
        control_totals=totals,
        sent_query=text,
        notes=tuple(order.info.notes),
        warnings=tuple(order.info.warnings),
    )


def guarded_text(query: str, dialect: str | None) -> str:
    """The statement to send: proved to be one read-only statement, comments removed.

    Raises:
        QueryRefused: with line and column.
    """
    if dialect is None:
        return query
    verdict = check_sql(query, dialect)
    if not verdict.allowed:
        raise refuse(verdict)
    return str(verdict.text)


def _feed(
    writers: list[_Writer], batches: Iterator[pa.RecordBatch], meter: Meter, info: ReportInfo, control: Control
) -> None:
    """Fetch in this thread, write each format in its own; the first failure stops all."""
    for writer in writers:
        writer.start()
    try:
        for batch in batches:
            _hand_over(writers, batch)
        if meter.is_capped:
            info.notes.append(f"Capped at {meter.rows:,} rows: the query gives more.")
        control.report("convert", meter.rows)
        _hand_over(writers, None)
    except BaseException:
        for writer in writers:
            writer.abort()
        _join(writers)
        _raise_first(writers)  # a writer that failed made the feed fail; its own error says more
        raise
    _join(writers)
    _raise_first(writers)


def _hand_over(writers: list[_Writer], batch: pa.RecordBatch | None) -> None:
    for writer in writers:
        writer.put(batch)


def _raise_first(writers: list[_Writer]) -> None:
    for writer in writers:
        if writer.error is not None and not isinstance(writer.error, _Stopped):
            raise writer.error


def _join(writers: list[_Writer]) -> None:
    for writer in writers:
        writer.thread.join()


class _Stopped(Exception):
    """The feed or another writer failed."""


class _Writer:
    """One converter in its own thread, fed through a short queue."""

    def __init__(self, item: FormatOrder, order: ExecutionOrder, schema: pa.Schema, control: Control) -> None:
        self._converter: Converter[Any] = load("converter", item.format)(item.config)
        require_drivers(type(self._converter))
        self._format = item.format
        self._schema = schema
        self._info = order.info
        self._control = control
        self._queue: queue.Queue[pa.RecordBatch | None] = queue.Queue(_AHEAD)
        self._is_aborted = threading.Event()
        self._path = order.workspace / f"{item.format}.{self._converter.extension}"
        self._sink: _HashingFile | None = None
        self._rows = 0
        self._done = threading.Event()
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name=f"write-{item.format}", daemon=True)

    def start(self) -> None:
        self.thread.start()

    def put(self, item: pa.RecordBatch | None) -> None:
        """Hand over a batch (None: the end); raises _Stopped when this writer has failed."""
        is_handed_over = False
        while not is_handed_over:
            if self._done.is_set():
                if self.error is not None:
                    raise _Stopped
                return  # it wants no more rows; the count at the end says whether that was right
            try:
                self._queue.put(item, timeout=0.2)
                is_handed_over = True
            except queue.Full:
                self._control.check()

    def abort(self) -> None:
        """Make the converter's next read fail, so that its thread ends."""
        self._is_aborted.set()
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(None)

    def finished(self, rows_read: int, control: Control) -> WrittenFile:
        """Compare rows read, written and read back.

        Raises:
            ConversionRejected: they differ; the file must not be used.
        """
        control.report("verify", rows_read)
        read_back = self._converter.count_rows(self._path, control)
        if self._rows != rows_read or read_back not in (None, rows_read):
            raise ConversionRejected(
                f"The {self._format} file is not whole: {rows_read:,} rows were read, {self._rows:,} written and "
                f"{'?' if read_back is None else f'{read_back:,}'} read back.",
                hint="This is a fault of Report Hub or of the disk; nothing was delivered.",
            )
        assert self._sink is not None
        return WrittenFile(
            format=self._format,
            path=self._path,
            media_type=self._converter.media_type,
            extension=self._converter.extension,
            size=self._sink.size,
            sha256=self._sink.sha256.hexdigest(),
            row_count=self._rows,
            rows_read_back=read_back,
        )

    def _run(self) -> None:
        try:
            with storage_errors(), self._path.open("wb", buffering=1 << 18) as file:
                self._sink = _HashingFile(file)
                reader = pa.RecordBatchReader.from_batches(self._schema, self._batches())
                self._rows = self._converter.write(reader, cast(BinaryIO, self._sink), self._info, self._control)
        except BaseException as error:  # noqa: BLE001 - carried to the feeding thread
            self.error = _original(error)
        finally:
            self._done.set()

    def _batches(self) -> Iterator[pa.RecordBatch]:
        while True:
            item = self._queue.get()
            if self._is_aborted.is_set():
                raise _Stopped
            if item is None:
                return
            yield item


def _original(error: BaseException) -> BaseException:
    """Arrow wraps what a Python iterator raises; find our own error again."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, (ReportHubError, _Stopped)):
            return seen
        seen = seen.__cause__ or seen.__context__
    return error


class _HashingFile:
    """A write-only file that keeps its size and SHA-256. Seeking is not offered: converters must not need it."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()
        self.size = 0

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        self._file.write(view)
        self.sha256.update(view)
        self.size += view.nbytes
        return view.nbytes

    def flush(self) -> None:
        self._file.flush()

    def tell(self) -> int:
        return self.size

    def close(self) -> None:
        self.flush()

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False
