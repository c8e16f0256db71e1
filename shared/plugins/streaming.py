"""What all connectors need around their batches: the stop button, our errors, and an end that frees the source."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pyarrow as pa

from shared.errors import ReportHubError
from shared.plugins.control import Control

Translate = Callable[[Exception], Exception]


@contextlib.contextmanager
def guarded(
    schema: pa.Schema, batches: Iterator[pa.RecordBatch], control: Control, translate: Translate
) -> Iterator[pa.RecordBatchReader]:
    """A reader over `batches` that asks `control` before each one and raises our errors.

    After an error of the driver, `control` is asked first: a cancelled statement looks like a broken one. At the end
    of the block the iterator is closed, so a generator's `finally` can free what it holds.
    """

    def watched() -> Iterator[pa.RecordBatch]:
        while True:
            control.check()
            with translated(control, translate):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch

    reader = pa.RecordBatchReader.from_batches(schema, watched())
    try:
        yield reader
    finally:
        close = getattr(batches, "close", None)
        if close is not None:
            close()


@contextlib.contextmanager
def translated(control: Control, translate: Translate) -> Iterator[None]:
    """Errors of a driver become ours, the driver's stays their cause."""
    try:
        yield
    except ReportHubError:
        raise
    except Exception as error:
        control.check()
        raise translate(error) from error
