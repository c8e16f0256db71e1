"""Text in columns: where each line stands, and the operators that draw it. Unit: 1/100 point."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from converters._pdf_font import Font, Units
from converters._pdf_lines import Lines, break_lines, text_of, with_fonts
from converters._pdf_shaping import Shaper
from converters._pdf_show import shown_lines
from shared.plugins.arrow_text import string_bytes

ROW_BEGINS, ROW_ENDS = "/Row BMC\n", "EMC\n"
"""Marks around a data row, so that a reader can tell rows from lines."""
_CONTINUED = "/RowContinued BMC\n"


@dataclass(frozen=True, slots=True)
class Grid:
    """Columns on a page: left and right edges of their text, and the type."""

    lefts: tuple[int, ...]
    rights: tuple[int, ...]
    is_right_aligned: tuple[bool, ...]
    shaper: Shaper
    size: int

    @property
    def font(self) -> Font:
        return self.shaper.font

    @property
    def leading(self) -> int:
        return self.size * 5 // 4

    def lay(self, columns: Sequence[pa.Array], pool: ThreadPoolExecutor) -> Rows:
        """Break the texts of all columns into lines that fit."""
        units = self.font.face.units_per_em
        limits = [(right - left) * units // self.size for left, right in zip(self.lefts, self.rights, strict=True)]
        texts = [
            with_fonts(text, self.shaper, limit) for text, limit in zip(pool.map(text_of, columns), limits, strict=True)
        ]
        return Rows(self, list(pool.map(break_lines, texts, itertools.repeat(self.font), limits)))


class Rows:
    """Rows of laid-out text: a row is as high as its longest cell."""

    def __init__(self, grid: Grid, columns: Sequence[Lines]) -> None:
        self.grid = grid
        self._columns = columns
        self.line_counts: Units = np.maximum.reduce([column.counts for column in columns])
        self.first_lines: Units = np.zeros(len(self.line_counts) + 1, np.int64)
        np.cumsum(self.line_counts, out=self.first_lines[1:])

    def draw(self, ys: Units, fragment_starts: Units | None = None) -> tuple[npt.NDArray[np.uint8], Units]:
        """The operators of all lines, whose base lines are `ys`, and where each line's operators begin.

        With `fragment_starts` (lines at which a row or its continuation on a page begins) rows are marked.
        """
        size, count = self.grid.size, int(self.first_lines[-1])
        before: pa.Array | str = ""
        after: pa.Array | str = ""
        if fragment_starts is not None:
            before, after = self._marks(fragment_starts, count)
        parts: list[pa.Array | str] = [before]
        previous: Units | None = None
        for index, column in enumerate(self._columns):
            starts, ends = self._spread(column, count)
            lengths = ends - starts
            widths = (column.edges[ends] - column.edges[starts]) * size // self.grid.font.face.units_per_em
            xs = self._places(index, column, widths)
            codes = shown_lines(column, starts, lengths, self.grid.font, size)
            if previous is None:
                parts += ["1 0 0 1 ", _text(xs), " ", _text(ys), " Tm <", codes, ">Tj\n"]
                previous = xs
                continue
            is_empty = lengths == 0
            if not is_empty.any():
                parts += [_text(xs - previous), " 0 Td <", codes, ">Tj\n"]
                previous = xs
                continue
            xs = np.where(is_empty, previous, xs)
            shown = pc.binary_join_element_wise(_text(xs - previous), " 0 Td <", codes, ">Tj\n", "")
            parts.append(pc.if_else(pa.array(is_empty), "", shown))
            previous = xs
        drawn = pc.binary_join_element_wise(*[part for part in [*parts, after] if not _is_nothing(part)], "")
        width = np.int32 if drawn.type == pa.string() else np.int64
        offsets = np.frombuffer(drawn.buffers()[1], width)[: count + 1].astype(np.int64)
        return string_bytes(drawn), offsets

    def _spread(self, column: Lines, count: int) -> tuple[Units, Units]:
        """Each line's part of the column's text, nothing where the cell has fewer lines than its row."""
        if len(column.starts) == count:
            return column.starts, column.ends
        firsts = np.cumsum(column.counts) - column.counts
        places = np.arange(len(column.starts)) + np.repeat(self.first_lines[:-1] - firsts, column.counts)
        starts, ends = np.zeros(count, np.int64), np.zeros(count, np.int64)
        starts[places], ends[places] = column.starts, column.ends
        return starts, ends

    def _places(self, index: int, column: Lines, widths: Units) -> Units:
        left, right = self.grid.lefts[index], self.grid.rights[index]
        if self.grid.is_right_aligned[index]:
            return right - widths
        if column.is_rtl is None:
            return np.full(len(widths), left)
        return np.where(np.repeat(column.is_rtl, self.line_counts), right - widths, left)

    def _marks(self, fragment_starts: Units, count: int) -> tuple[pa.Array, pa.Array]:
        kinds = np.zeros(count, np.int8)
        kinds[fragment_starts] = 2
        kinds[self.first_lines[:-1]] = 1
        is_last = np.zeros(count, bool)
        is_last[np.append(fragment_starts[1:], count) - 1] = True
        before = pa.DictionaryArray.from_arrays(pa.array(kinds), pa.array(["", ROW_BEGINS, _CONTINUED]))
        return before.dictionary_decode(), pc.if_else(pa.array(is_last), ROW_ENDS, "")


def _text(numbers: Units) -> pa.Array:
    return pa.array(numbers).cast(pa.string())


def _is_nothing(part: pa.Array | str) -> bool:
    return isinstance(part, str) and not part
