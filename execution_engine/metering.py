"""Counts the rows on their way from the source to the files: caps, control totals, content hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shared.errors import RowLimitReached
from shared.plugins import Control

_SUM = pa.decimal256(76, 0)


class Meter:
    """Passes batches on and keeps the books.

    Args:
        row_limit: at most this many rows go on; None for all.
        on_cap: `fail` raises RowLimitReached when there is one row more, `label` stops there and says so.
        hashes: also make a hash over all values, which is the same however the rows were cut into batches.
    """

    def __init__(self, schema: pa.Schema, row_limit: int | None, on_cap: str, control: Control, hashes: bool) -> None:
        self._schema = schema
        self._row_limit = row_limit
        self._on_cap = on_cap
        self._control = control
        self._totals = [_ColumnTotals(column, hashes) for column in schema]
        self.rows = 0
        self.is_capped = False

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            self._control.check()
            kept = self._within_limit(batch)
            if kept.num_rows:
                self._count(kept)
                yield kept
            if self.is_capped:
                return

    @property
    def completeness(self) -> str:
        return "CAPPED" if self.is_capped else "COMPLETE"

    def totals(self) -> dict[str, Any]:
        """Rows read, and for each column its NULLs and, where it is exact, its sum (as text)."""
        totals: dict[str, Any] = {"rows_read": self.rows, "columns": [column.as_dict() for column in self._totals]}
        digests = [column.digest() for column in self._totals]
        if all(digests):
            totals["content_sha256"] = hashlib.sha256(b"".join(filter(None, digests))).hexdigest()
        return totals

    def _within_limit(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if self._row_limit is None or self.rows + batch.num_rows <= self._row_limit:
            return batch
        if self._on_cap == "fail":
            raise RowLimitReached(
                f"The query gives more than {self._row_limit:,} rows, the limit of this report.",
                hint="Raise row_limit, narrow the query, or set on_cap to 'label' for a file that says it is capped.",
            )
        self.is_capped = True
        return batch.slice(0, self._row_limit - self.rows)

    def _count(self, batch: pa.RecordBatch) -> None:
        self.rows += batch.num_rows
        for totals, column in zip(self._totals, batch.columns, strict=True):
            totals.add(column)
        self._control.report("fetch", self.rows)


class _ColumnTotals:
    """NULLs and exact sum of one column; floats have no exact sum and get none."""

    def __init__(self, column: pa.Field, hashes: bool) -> None:
        self._name = column.name
        self._type = column.type
        self._nulls = 0
        self._is_summed = pa.types.is_integer(column.type) or pa.types.is_decimal(column.type)
        self._sum: Any = 0
        self._hash = hashlib.sha256(f"{column.name}\0{column.type}".encode()) if hashes else None

    def add(self, column: pa.Array) -> None:
        self._nulls += column.null_count
        if self._is_summed and len(column) > column.null_count:
            self._sum += _exact_sum(column)
        if self._hash is not None:
            self._hash.update(pc.is_valid(column).cast(pa.uint8()).to_numpy(zero_copy_only=False).tobytes())
            for value in _value_buffers(column):
                self._hash.update(value)

    def as_dict(self) -> dict[str, Any]:
        totals: dict[str, Any] = {"name": self._name, "type": str(self._type), "nulls": self._nulls}
        return totals | ({"sum": str(self._sum)} if self._is_summed else {})

    def digest(self) -> bytes | None:
        return None if self._hash is None else self._hash.digest()


def _exact_sum(column: pa.Array) -> Any:
    """Sum that cannot overflow: in Arrow where 64 bits are enough for any batch, else in decimals of 76 digits."""
    if pa.types.is_decimal(column.type):
        return pc.sum(column.cast(pa.decimal256(76, column.type.scale))).as_py()
    if column.type.bit_width <= 32:
        return pc.sum(column).as_py()
    low_high = pc.min_max(column).as_py()
    largest = max(abs(low_high["min"]), abs(low_high["max"]))
    if largest * len(column) < 2**63:
        return pc.sum(column).as_py()
    return int(pc.sum(column.cast(pa.decimal128(20, 0)).cast(_SUM)).as_py())


def _value_buffers(column: pa.Array) -> list[bytes]:
    """Bytes that stand for the values, the same for every way of cutting rows into batches."""
    if pa.types.is_fixed_size_binary(column.type) or (pa.types.is_primitive(column.type) and column.type != pa.bool_()):
        width = column.type.bit_width // 8
        data = np.frombuffer(column.buffers()[1], np.uint8)[
            column.offset * width : (column.offset + len(column)) * width
        ]
        if column.null_count:  # what lies under a NULL is arbitrary
            data = data.reshape(len(column), width).copy()
            data[pc.is_null(column).to_numpy(zero_copy_only=False)] = 0
        return [data.tobytes()]
    texts = [str(value).encode("utf-8", "surrogatepass") for value in column.to_pylist()]
    return [np.array([len(text) for text in texts], np.int64).tobytes(), b"".join(texts)]
