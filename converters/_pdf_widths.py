"""How wide columns are, from a sample of their text; the page's orientation and the size of the type follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from converters._pdf_lines import Lines, break_lines, text_of, with_fonts, word_widths
from converters._pdf_shaping import Shaper
from shared.errors import ConversionRejected

PAGE_SIZES = {"A4": (59_528, 84_189), "letter": (61_200, 79_200)}
MARGIN = 3_600
_SIZES = (800, 700, 600, 500)
_NARROWEST = 1_000
_STRETCH = 1.6
_ENDLESS = 1 << 50
_COMFORT = 20.0
_LEAST = 2.0
_SLACK = 0.1
_TOTAL = "Total"
_TOTAL_DIGITS = "00000"


@dataclass(frozen=True, slots=True)
class Page:
    """A page and the table's columns on it, in 1/100 point."""

    width: int
    height: int
    size: int
    widths: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TableSample:
    """What the table looks like: headers, text of some rows, the columns that are solid (never broken) or totaled."""

    headers: Sequence[str]
    columns: Sequence[pa.Array]
    is_solid: Sequence[bool]
    totaled: Sequence[int]


@dataclass(frozen=True, slots=True)
class _Wish:
    """A column's widths in em: for all its text on one line; to keep words whole; to keep those below the header so."""

    natural: float
    least: float
    bare: float

    @property
    def comfortable(self) -> float:
        """A text of some lines is fine, one of a dozen is not."""
        return min(self.natural, max(self.least, _COMFORT))


def choose_page(
    table: TableSample,
    shapers: tuple[Shaper, Shaper],
    orientation: Literal["auto", "portrait", "landscape"],
    page_size: Literal["A4", "letter"],
) -> Page:
    """The largest type at which words, and all values of solid columns, stay whole and texts get a few lines.

    Automatic orientation is portrait, unless the table is too wide for it.

    Raises:
        ConversionRejected: there are more columns than a page has room for.
    """
    wishes = [_wish(table, index, shapers) for index in range(len(table.headers))]
    short, long = PAGE_SIZES[page_size]
    if orientation == "auto":
        natural = sum(wish.natural for wish in wishes) * _SIZES[0]
        orientation = "portrait" if natural <= _room(short, len(wishes), _SIZES[0]) else "landscape"
    width, height = (short, long) if orientation == "portrait" else (long, short)
    most = (width - 2 * MARGIN) // _NARROWEST
    if len(wishes) > most:
        raise ConversionRejected(
            f"The report has {len(wishes)} columns; a {page_size} page in {orientation} holds {most}.",
            hint="Select fewer columns, or choose another format for this report.",
        )
    fitting = [size for size in _SIZES if _fits([wish.least for wish in wishes], width, size)] or [_SIZES[-1]]
    comfortable = [size for size in fitting if _fits([wish.comfortable for wish in wishes], width, size)]
    size = (comfortable or fitting)[0]
    naturals = [wish.natural * size for wish in wishes]
    leasts = [wish.least * size for wish in wishes]
    if not _fits([wish.least for wish in wishes], width, size):
        # A broken header is ugly, a broken number is misread.
        leasts = [wish.bare * size for wish in wishes]
    shared = _share(naturals, leasts, _room(width, len(wishes), size))
    return Page(width, height, size, tuple(int(share) + 2 * gap(size) for share in shared))


def _room(width: int, count: int, size: int) -> int:
    """What a page leaves for the text of so many columns."""
    return width - 2 * MARGIN - 2 * gap(size) * count


def _fits(widths: Sequence[float], width: int, size: int) -> bool:
    return sum(widths) * size <= _room(width, len(widths), size)


def gap(size: int) -> int:
    """Room on each side of a cell's text."""
    return size * 2 // 5


def _wish(table: TableSample, index: int, shapers: tuple[Shaper, Shaper]) -> _Wish:
    regular, bold = shapers
    lines = _lines(table.columns[index], regular)
    em = regular.font.face.units_per_em
    widths = (lines.edges[lines.ends] - lines.edges[lines.starts]) / em
    header, header_word = _strong(table.headers[index], bold)
    if index in table.totaled:
        longest = float(widths.max(initial=0.0)) * 1.12 + _strong(_TOTAL_DIGITS, bold)[0]
        header, header_word = max(header, longest), max(header_word, longest)
    elif index == 0 and table.totaled:
        header_word = max(header_word, _strong(_TOTAL, bold)[0])
    if table.is_solid[index]:
        widest = float(widths.max(initial=_LEAST)) + _SLACK
        return _Wish(max(widest, header, header_word), max(widest, header_word), widest)
    words = word_widths(lines) / em
    # One of a hundred words may be broken, and so may one that alone would take a quarter of the page.
    usual_word = min(float(np.percentile(words, 99)) if words.size else 0.0, 24.0)
    usual = float(np.percentile(widths, 97)) if widths.size else 0.0
    bare = max(_LEAST, usual_word + _SLACK)
    least = max(bare, header_word)
    return _Wish(max(least, usual + _SLACK, header), least, bare)


def _lines(column: pa.Array, shaper: Shaper) -> Lines:
    return break_lines(with_fonts(text_of(column), shaper, _ENDLESS), shaper.font, _ENDLESS)


def _strong(text: str, bold: Shaper) -> tuple[float, float]:
    """Widths, in em, of a text in bold and of its longest word."""
    lines = _lines(pa.array([text], pa.string()), bold)
    em = bold.font.face.units_per_em
    return int(lines.edges[-1]) / em + _SLACK, int(word_widths(lines).max(initial=0)) / em + _SLACK


def _share(naturals: Sequence[float], leasts: Sequence[float], room: int) -> list[float]:
    natural, least = np.array(naturals), np.array(leasts)
    if 0 < natural.sum() <= room:
        return list(natural * min(_STRETCH, room / natural.sum()))
    if least.sum() <= room:
        # What is left goes to those that want more, by the root of the wish: one novel shall not starve the others.
        return list(_filled(least, natural, room))
    narrow = np.minimum(least, room / len(least))
    return list(narrow + (least - narrow) * (room - narrow.sum()) / max(1.0, (least - narrow).sum()))


def _filled(widths: np.ndarray, limits: np.ndarray, room: int) -> np.ndarray:
    """Grow towards the limits until the room is used."""
    widths = widths.astype(float)
    for _ in range(len(widths) + 1):
        left, wishes = room - widths.sum(), np.sqrt(np.maximum(limits - widths, 0.0))
        if left < 1 or wishes.sum() == 0:
            break
        widths = np.minimum(limits, widths + wishes * left / wishes.sum())
    return widths
