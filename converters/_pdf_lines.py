"""Columns of text broken into lines, all rows at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from converters._pdf_font import Codes, Font, Units
from converters._pdf_text import in_sight_order, right_to_left
from shared.plugins.arrow_text import string_bytes

_SPACE, _LINE_FEED = 0x20, 0x0A


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a column, row by row.

    Attributes:
        codes: the characters of the column, one after the other.
        edges: where each character begins, in the font's units from the first one.
        counts: lines of each row, at least one.
        starts, ends: each line's part of `codes`.
        is_rtl: rows that run right to left, or None.
    """

    codes: Codes
    edges: Units
    counts: Units
    starts: Units
    ends: Units
    is_rtl: npt.NDArray[np.bool_] | None = None


def break_lines(column: pa.Array, font: Font, limit: int) -> Lines:
    """Lines no wider than `limit` (font units), broken at spaces, or within a word that is longer; nothing is cut."""
    column, is_rtl = _sight_order(column, font, limit)
    points, offsets = _points(column)
    codes = font.encode(points)
    edges = np.zeros(len(codes) + 1, np.int64)
    np.cumsum(font.advances(codes), out=edges[1:])
    feeds = np.flatnonzero(points == _LINE_FEED)
    is_broken = edges[offsets[1:]] - edges[offsets[:-1]] > limit
    if feeds.size:
        is_broken[np.searchsorted(offsets, feeds, "right") - 1] = True
    rows = np.flatnonzero(is_broken)
    if rows.size == 0:
        return Lines(codes, edges, np.ones(len(column), np.int64), offsets[:-1], offsets[1:], is_rtl)
    spaces = np.flatnonzero((points == _SPACE) | (points == _LINE_FEED))
    line_rows, starts, ends = _broken(rows, offsets, edges, limit, feeds, spaces)
    whole = np.flatnonzero(~is_broken)
    all_rows = np.concatenate([whole, line_rows])
    order = np.argsort(all_rows, kind="stable")
    return Lines(
        codes,
        edges,
        np.bincount(all_rows, minlength=len(column)),
        np.concatenate([offsets[whole], starts])[order],
        np.concatenate([offsets[whole + 1], ends])[order],
        is_rtl,
    )


def _broken(
    rows: Units, offsets: Units, edges: Units, limit: int, feeds: Units, spaces: Units
) -> tuple[Units, Units, Units]:
    """The first line of all given rows, then the second of those that have one, and so on."""
    end_of_text = np.int64(edges.size)
    feeds = np.append(feeds, end_of_text)
    start, end = offsets[rows], offsets[rows + 1]
    found: list[tuple[Units, Units, Units]] = []
    while rows.size:
        fitting = np.searchsorted(edges, edges[start] + limit, "right") - 1
        fitting = np.maximum(np.minimum(fitting, end), np.minimum(start + 1, end))
        feed = feeds[np.searchsorted(feeds, start)]
        before = np.searchsorted(spaces, fitting, "right") - 1
        space = np.where(before >= 0, spaces[before], -1) if spaces.size else np.full(start.shape, -1)
        ends_at_feed = (feed <= fitting) & (feed < end)
        ends_at_space = ~ends_at_feed & (fitting < end) & (space > start)
        stop = np.where(ends_at_feed, feed, np.where(ends_at_space, space, fitting))
        found.append((rows, start, stop))
        following = stop + (ends_at_feed | ends_at_space)
        # A line feed at the very end begins a line of its own: an empty one, which nobody misses.
        goes_on = following < end
        rows, start, end = rows[goes_on], following[goes_on], end[goes_on]
    return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))  # type: ignore[return-value]


def _points(column: pa.Array) -> tuple[npt.NDArray[np.uint32], Units]:
    """The code points of all values, and where each value begins."""
    raw = string_bytes(column)
    offsets = np.zeros(len(column) + 1, np.int64)
    if raw.size and raw.max() < 0x80:
        np.cumsum(pc.binary_length(column).to_numpy(zero_copy_only=False), out=offsets[1:])
        return raw.astype(np.uint32), offsets
    np.cumsum(pc.utf8_length(column).to_numpy(zero_copy_only=False), out=offsets[1:])
    return np.frombuffer(raw.tobytes().decode().encode("utf-32-le"), np.uint32), offsets


def _sight_order(column: pa.Array, font: Font, limit: int) -> tuple[pa.Array, npt.NDArray[np.bool_] | None]:
    chosen = right_to_left(column)
    if chosen is None:
        return column, None
    is_rtl = np.zeros(len(column), bool)
    values = column.to_pylist()
    for row in np.flatnonzero(chosen.to_numpy(zero_copy_only=False)).tolist():
        values[row], is_rtl[row] = in_sight_order(values[row], lambda text: _wrapped(text, font, limit))
    return pa.array(values, pa.string()), is_rtl


def _wrapped(text: str, font: Font, limit: int) -> list[str]:
    """One text in logical order, broken by its widths."""
    codes = font.text(text)
    edges = np.concatenate([[0], np.cumsum(font.advances(codes))]).astype(np.int64)
    offsets = np.array([0, len(text)], np.int64)
    spaces = np.flatnonzero(codes == _SPACE)
    _, starts, ends = _broken(np.zeros(1, np.int64), offsets, edges, limit, np.empty(0, np.int64), spaces)
    return [text[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]


def word_widths(lines: Lines) -> Units:
    """Widths of all words, in the font's units."""
    cuts = np.unique(np.concatenate([np.flatnonzero(lines.codes == _SPACE), lines.starts, lines.ends]))
    widths: Units = np.diff(lines.edges[cuts])
    return widths
