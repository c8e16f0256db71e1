"""Record batches cut into blocks, each made into bytes by one of two threads, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import pyarrow as pa
from pyarrow import types

from shared.plugins.control import Control

THREADS = 2
_ROWS = 16_384
_CELLS = 524_288
_BYTES = 4 << 20
_HUGE = 64 << 20

MadeT = TypeVar("MadeT")


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows. `first_row` counts from 1."""

    rows: pa.RecordBatch
    first_row: int


def blocks(batches: pa.RecordBatchReader, control: Control) -> Iterator[Block]:
    """The batches in pieces whose text is a few MiB at most, unless one row alone has more."""
    written = 0
    for batch in batches:
        control.check()
        rows = min(_ROWS, _CELLS // batch.num_columns)
        if batch.num_rows:
            rows = min(rows, batch.num_rows * _BYTES // max(1, batch.nbytes))
        rows = max(1, rows)
        for start in range(0, batch.num_rows, rows):
            control.check()
            yield Block(_widened(batch.slice(start, rows)), written + start + 1)
        written += batch.num_rows
        control.report("convert", written)


def in_order(source: Iterator[Block], make: Callable[[Block], MadeT]) -> Iterator[MadeT]:
    """What `make` makes of each block, made a few blocks ahead by two threads."""
    made: deque[Future[MadeT]] = deque()
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            for block in source:
                made.append(pool.submit(make, block))
                if len(made) > THREADS + 1:
                    yield made.popleft().result()
            while made:
                yield made.popleft().result()
        finally:
            for future in made:
                future.cancel()


def _widened(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A huge text (one row of hundreds of MiB) with 64-bit offsets, for escaping may make it longer than 2 GiB."""
    if batch.nbytes < _HUGE:
        return batch
    columns = [column.cast(pa.large_string()) if types.is_string(column.type) else column for column in batch.columns]
    fields = [
        field.with_type(column.type) for field, column in zip(batch.schema, columns, strict=True)
    ]  # the metadata stays
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))
