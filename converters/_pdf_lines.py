"""Columns of text broken into lines, all rows at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from converters._pdf_breaks import NOWHERE, broken, cuts
from converters._pdf_font import Codes, Font, Units
from converters._pdf_scripts import shaped_points
from converters._pdf_shaping import Shaper
from shared.plugins.arrow_text import string_bytes

_SPACE, _LINE_FEED = 0x20, 0x0A
_FIRST_RARE_BYTE = 0xCB
"""Of UTF-8: below it (ASCII, Latin) is only what the main font has."""


@dataclass(frozen=True, slots=True)
class Text:
    """A column as codes.

    Attributes:
        codes: of all values, one after the other.
        offsets: where each value begins.
        is_plain: nothing in it needs another font or shaping.
        is_rtl: rows that run right to left, or None.
    """

    codes: Codes
    offsets: Units
    is_plain: bool
    is_rtl: npt.NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a column, row by row.

    Attributes:
        codes: the characters of the column, one after the other.
        edges: where each character begins, in the font's units from the first one.
        counts: lines of each row, at least one.
        starts, ends: each line's part of `codes`.
        cuts: where a line may end although there is no space.
        is_mixed: some codes are drawn with other fonts than the main one.
        is_rtl: rows that run right to left, or None.
    """

    codes: Codes
    edges: Units
    counts: Units
    starts: Units
    ends: Units
    cuts: Units
    is_mixed: bool
    is_rtl: npt.NDArray[np.bool_] | None


def text_of(column: pa.Array) -> Text:
    """The code points of a column without NULLs."""
    raw = string_bytes(column)
    highest = int(raw.max()) if raw.size else 0
    offsets = np.zeros(len(column) + 1, np.int64)
    if highest < 0x80:
        np.cumsum(pc.binary_length(column).to_numpy(zero_copy_only=False), out=offsets[1:])
        return Text(raw.astype(np.uint32), offsets, is_plain=True)
    np.cumsum(pc.utf8_length(column).to_numpy(zero_copy_only=False), out=offsets[1:])
    points = np.frombuffer(raw.tobytes().decode().encode("utf-32-le"), np.uint32)
    return Text(points, offsets, highest < _FIRST_RARE_BYTE)


def with_fonts(text: Text, shaper: Shaper, limit: int) -> Text:
    """Fonts found for all characters; what has to be shaped or turned is, in lines no wider than `limit` (font units).

    Not for several threads at once.
    """
    if text.is_plain:
        return text
    places = np.flatnonzero(shaped_points()[text.codes])
    if places.size:
        rows = np.unique(np.searchsorted(text.offsets, places, "right") - 1)
        text = _shaped(text, rows.tolist(), shaper, limit)
    shaper.font.find(text.codes)
    return text


def _shaped(text: Text, rows: list[int], shaper: Shaper, limit: int) -> Text:
    is_rtl, lengths = np.zeros(len(text.offsets) - 1, bool), np.diff(text.offsets)
    pieces, end, known = [], 0, {}
    for row in rows:
        start, stop = int(text.offsets[row]), int(text.offsets[row + 1])
        value = text.codes[start:stop].tobytes().decode("utf-32-le")
        if value not in known:
            known[value] = shaper.lines(value, limit)
        codes, is_rtl[row] = known[value]
        pieces += [text.codes[end:start], codes]
        lengths[row], end = len(codes), stop
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Text(np.concatenate([*pieces, text.codes[end:]]), offsets, text.is_plain, is_rtl if is_rtl.any() else None)


def break_lines(text: Text, font: Font, limit: int) -> Lines:
    """Lines no wider than `limit` (font units), broken at spaces, or within a word that is longer; nothing is cut."""
    codes, offsets = text.codes, text.offsets
    font.use(codes)
    edges = np.zeros(len(codes) + 1, np.int64)
    np.cumsum(font.advances(codes), out=edges[1:])
    feeds = np.flatnonzero(codes == _LINE_FEED)
    free = NOWHERE if text.is_plain else cuts(codes)
    is_mixed = not text.is_plain and bool(font.groups[codes].any())
    is_broken = edges[offsets[1:]] - edges[offsets[:-1]] > limit
    if feeds.size:
        is_broken[np.searchsorted(offsets, feeds, "right") - 1] = True
    rows = np.flatnonzero(is_broken)
    if rows.size == 0:
        ones = np.ones(len(offsets) - 1, np.int64)
        return Lines(codes, edges, ones, offsets[:-1], offsets[1:], free, is_mixed, text.is_rtl)
    spaces = np.flatnonzero((codes == _SPACE) | (codes == _LINE_FEED))
    line_rows, starts, ends = broken(rows, offsets, edges, limit, feeds, spaces, free)
    whole = np.flatnonzero(~is_broken)
    all_rows = np.concatenate([whole, line_rows])
    order = np.argsort(all_rows, kind="stable")
    return Lines(
        codes,
        edges,
        np.bincount(all_rows, minlength=len(offsets) - 1),
        np.concatenate([offsets[whole], starts])[order],
        np.concatenate([offsets[whole + 1], ends])[order],
        free,
        is_mixed,
        text.is_rtl,
    )


def word_widths(lines: Lines) -> Units:
    """Widths of all words, in the font's units."""
    spaces = np.flatnonzero(lines.codes == _SPACE)
    ends = np.unique(np.concatenate([spaces, lines.cuts, lines.starts, lines.ends]))
    widths: Units = np.diff(lines.edges[ends])
    return widths
