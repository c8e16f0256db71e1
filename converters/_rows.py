"""Rows of text out of columns of text.

One `take` over all columns and constants, in the order in which they stand in the file, copies each cell once. It is
twice as fast as Arrow's kernel that joins columns, and quotes and NULLs cost no pass of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from shared.plugins.arrow_text import string_bytes

Mask = npt.NDArray[np.bool_]
Quoted = Mask | bool
"""Which cells of a column stand in quotes; a truth value where all do or none does."""
_LONGEST = 2**31 - 1


def rows_of(
    cells: Sequence[pa.Array], quoted: Sequence[Quoted], before: Sequence[str], after: str, null_text: str
) -> memoryview:
    """The bytes of all rows: before each cell its constant, after the last one `after`.

    Args:
        cells: (large_)string columns.
        quoted: for each column. NULL must not be among them.
        null_text: stands for NULL.
    """
    rows = len(cells[0])
    constants = _Constants(len(cells) * rows)
    null = constants.place(null_text)
    order = np.empty((rows, 2 * len(cells) + 1), np.int32)
    base = np.arange(rows, dtype=np.int32)
    closing: Quoted = False
    for index, (column, opening) in enumerate(zip(cells, quoted, strict=True)):
        order[:, 2 * index] = _between(constants, closing, before[index], opening)
        places = base + index * rows
        if column.null_count:
            places = np.where(pc.is_valid(column).to_numpy(zero_copy_only=False), places, null)
        order[:, 2 * index + 1] = places
        closing = opening
    order[:, -1] = _between(constants, closing, after, False)
    kind = pa.large_string() if _are_long(cells, rows, constants) else pa.string()
    columns = [*cells, pa.array(constants.texts, pa.string())]
    everything = pa.concat_arrays([column if column.type == kind else column.cast(kind) for column in columns])
    content: Any = string_bytes(pc.take(everything, pa.array(order.ravel()), boundscheck=False))
    return memoryview(content)


class _Constants:
    """Texts that stand behind the cells, and their places there."""

    def __init__(self, first: int) -> None:
        self.texts: list[str] = []
        self._first = first

    def place(self, text: str) -> int:
        if text not in self.texts:
            self.texts.append(text)
        return self._first + self.texts.index(text)


def _between(constants: _Constants, closing: Quoted, text: str, opening: Quoted) -> npt.NDArray[np.int32] | int:
    """The place of the text between two cells, with the quotes that end the one and begin the other."""
    if isinstance(closing, bool) and isinstance(opening, bool):
        return constants.place('"' * closing + text + '"' * opening)
    choices = np.array([constants.place(mark + text + other) for other in ("", '"') for mark in ("", '"')], np.int32)
    picked: npt.NDArray[np.int32] = choices[closing + 2 * np.asarray(opening, np.int64)]
    return picked


def _are_long(cells: Sequence[pa.Array], rows: int, constants: _Constants) -> bool:
    size = sum(string_bytes(column).size for column in cells)
    longest = max(len(text.encode()) for text in constants.texts)
    is_large = any(types.is_large_string(column.type) for column in cells)
    return is_large or size + rows * (len(cells) + 1) * longest > _LONGEST
