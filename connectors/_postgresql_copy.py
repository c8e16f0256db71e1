"""Runs COPY … TO STDOUT in a thread and cuts what arrives into batches with bounded memory."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from connectors._postgresql_types import CsvColumns
from shared.plugins import Query

_AHEAD = 2
"""Blocks that the server's side may be ahead of the reader."""


class _Stopped(Exception):
    """The reader left."""


class CopyStream:
    """The server sends one message per row, so blocks always end between rows, however long those are."""

    def __init__(self, connection: Any, text: str, query: Query) -> None:
        self._connection = connection
        self._sql = f"COPY (\n{text}\n) TO STDOUT (FORMAT csv)"
        self._query = query
        self._blocks: queue.Queue[bytes | BaseException | None] = queue.Queue(_AHEAD)
        self._is_stopped = threading.Event()
        self._rows: list[bytes] = []
        self._size = 0

    def batches(self, columns: CsvColumns) -> Iterator[pa.RecordBatch]:
        """Batches in order; closing the generator ends the statement on the server at once."""
        pump = threading.Thread(target=self._pump, name="postgresql-copy", daemon=True)
        pump.start()
        row = 0
        try:
            while True:
                block = self._blocks.get()
                if isinstance(block, BaseException):
                    raise block
                if block is None:
                    return
                for batch in columns.parse(block, row):
                    row += batch.num_rows
                    yield batch
        finally:
            self._stop(pump)

    def write(self, data: bytes) -> int:
        """Called by the driver with each row."""
        self._rows.append(bytes(data))
        self._size += len(data)
        if len(self._rows) >= self._query.batch_rows or self._size >= self._query.batch_bytes:
            self._hand_over(b"".join(self._rows))
            self._rows, self._size = [], 0
        return len(data)

    def _pump(self) -> None:
        try:
            with self._connection.cursor() as cursor:
                cursor.copy_expert(self._sql, self)
            if self._rows:
                self._hand_over(b"".join(self._rows))
            self._hand_over(None)
        except _Stopped:
            return
        except BaseException as error:  # noqa: BLE001 - carried to the reading thread
            with contextlib.suppress(_Stopped):
                self._hand_over(error)

    def _hand_over(self, item: bytes | BaseException | None) -> None:
        while not self._is_stopped.is_set():
            try:
                return self._blocks.put(item, timeout=0.1)
            except queue.Full:
                continue
        raise _Stopped

    def _stop(self, pump: threading.Thread) -> None:
        self._is_stopped.set()
        if pump.is_alive():
            with contextlib.suppress(Exception):
                self._connection.cancel()
            pump.join(10)
