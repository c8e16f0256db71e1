"""A workbook on its way out: sheets of data, filled by two threads and split where one is full; then small sheets."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pyarrow as pa

from converters import _excel_parts as parts
from converters._excel_cells import cells
from converters._excel_sheet import Block, Table, text_cell, total_cells
from converters._excel_text import escape_one
from converters._excel_totals import Number, add, total_text
from converters._excel_zip import ZipStream, deflate
from shared.plugins.control import Control

ROW_LIMIT = 1_048_576
"""Rows of a sheet, its header included."""
COLUMN_LIMIT = 16_384
BYTE_LIMIT = 0xFFFFFFFF - (1 << 29)
"""A sheet's XML stays below 4 GiB (see MEMBER_LIMIT), with room for the blocks that are on their way."""
THREADS = 2
_BLOCK_ROWS = 8_192
_BLOCK_CELLS = 131_072
_BLOCK_BYTES = 4 << 20


def blocks(batches: pa.RecordBatchReader, control: Control) -> Iterator[pa.RecordBatch]:
    """The batches in pieces whose XML is a few MiB at most."""
    written = 0
    for batch in batches:
        rows = _BLOCK_ROWS
        if batch.num_rows:
            rows = min(rows, batch.num_rows * _BLOCK_BYTES // max(1, batch.nbytes))
        rows = max(1, min(rows, _BLOCK_CELLS // max(1, batch.num_columns)))
        for start in range(0, batch.num_rows, rows):
            control.check()
            yield batch.slice(start, rows)
        written += batch.num_rows
        control.report("convert", written)


class DataSheets:
    """Writes blocks in order. Leave the `with` block of the pool only after `finish()` or because of an error."""

    def __init__(self, archive: ZipStream, table: Table, first_name: str, pool: ThreadPoolExecutor) -> None:
        self.sheets: list[parts.Sheet] = []
        self.rows = 0
        self._archive, self._table, self._pool = archive, table, pool
        self._first_name = first_name
        self._last_rows: list[int] = []
        self._made: deque[Future[tuple[Block, bytes]]] = deque()
        self._sums: list[Number] | None = None
        self._text_columns: set[int] = set()
        self._row = 0
        self._begin()

    def write(self, block: pa.RecordBatch) -> None:
        while block.num_rows:
            if self._row > ROW_LIMIT or self._archive.size > BYTE_LIMIT:
                self._end()
                self._begin()
            fitting = block.slice(0, ROW_LIMIT - self._row + 1)
            self._made.append(self._pool.submit(self._make, fitting, self._row, self.rows + 1))
            self._row += fitting.num_rows
            self.rows += fitting.num_rows
            block = block.slice(fitting.num_rows)
            self._drain(2 * THREADS)

    def finish(self, totaled: Sequence[int]) -> None:
        """Write the last sheet's end, with the totals of the columns."""
        if totaled and self._row > ROW_LIMIT:
            self._end()
            self._begin()
        self._drain(0)
        totals = self._totals(totaled) if totaled else ""
        self._end(totals)

    def _make(self, batch: pa.RecordBatch, row: int, data_row: int) -> tuple[Block, bytes]:
        block = self._table.rows(batch, row, data_row)
        return block, deflate(block.xml)

    def _drain(self, left: int) -> None:
        while len(self._made) > left:
            block, packed = self._made.popleft().result()
            self._archive.append(packed, block.xml)
            self._text_columns |= block.text_columns
            if self._sums is None:
                self._sums = list(block.sums)
            else:
                self._sums = [add(first, second) for first, second in zip(self._sums, block.sums, strict=True)]

    def _begin(self) -> None:
        number = len(self.sheets) + 1
        name = parts.sheet_name(self._first_name, [sheet.name for sheet in self.sheets])
        self.sheets.append(parts.Sheet(name, f"xl/worksheets/sheet{number}.xml"))
        self._archive.begin(self.sheets[-1].part)
        head = self._table.head()
        self._archive.append(deflate(head), head)
        self._row = 2

    def _end(self, totals: str = "") -> None:
        self._drain(0)
        last_row = self._row - 1
        tail = self._table.tail(last_row, totals)
        self._archive.append(deflate(tail, is_last=True), tail)
        self._archive.end()
        sheet, filtered = self.sheets[-1], self._table.filtered(last_row)
        self.sheets[-1] = parts.Sheet(sheet.name, sheet.part, filtered, repeats_header=True)
        self._last_rows.append(last_row)

    def _totals(self, totaled: Sequence[int]) -> str:
        sums = self._sums or [0] * len(totaled)
        made = {index: self._total(index, total) for index, total in zip(totaled, sums, strict=True)}
        return total_cells(self._table, made, self._row)

    def _total(self, index: int, total: Number) -> str:
        """A formula with its value; the value alone where the formula would not see all numbers or lose digits."""
        reference = f"{self._table.letters[index]}{self._row}"
        style = self._table.total_styles[index]
        text = total_text(total)
        is_number = is_exact_number(text) if not isinstance(total, float) else text[-1].isdigit()
        if not is_number:
            return text_cell(reference, text, style)
        if index in self._text_columns or not self.rows:
            return f'<c r="{reference}"{style}><v>{text}</v></c>'
        return f'<c r="{reference}"{style}><f>{escape_one(self._formula(index))}</f><v>{text}</v></c>'

    def _formula(self, index: int) -> str:
        letters = self._table.letters[index]
        ranges = [
            f"{parts.quoted(sheet.name)}!{letters}2:{letters}{last_row}"
            for sheet, last_row in zip(self.sheets, self._last_rows, strict=False)
        ]
        if self._row > 2:
            ranges.append(f"{letters}2:{letters}{self._row - 1}")
        return f"SUM({','.join(ranges)})"


def is_exact_number(text: str) -> bool:
    return not cells(pa.array([text]), "", is_number_text=True).is_mixed
