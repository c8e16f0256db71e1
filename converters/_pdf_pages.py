"""Pages filled from top to bottom. Finished pages are packed by other threads and written in order."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from converters._pdf_file import PdfFile, pack
from converters._pdf_font import Codes, Units
from converters._pdf_grid import Rows
from converters._pdf_shaping import Shaper
from converters._pdf_show import shown_line
from converters._pdf_widths import MARGIN, Page
from shared.plugins.arrow_text import string_bytes

_WAITING = 8
_FOOTER_SIZE = 700
_FOOTER_HEIGHT = 1_400
_ZEBRA, _GREY = b"0.957 0.965 0.98 rg\n", b"0.4 g\n"

Bytes = npt.NDArray[np.uint8]


@dataclass(slots=True)
class _Content:
    """What a page shows: stripes below, then text, then all else."""

    stripes: list[bytes] = field(default_factory=list)
    texts: list[bytes] = field(default_factory=list)
    drawings: list[bytes] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Parts:
    """Rows cut into what stands together on a page; a part of a row that is higher than a page is one of several."""

    rows: Units
    first_lines: Units
    line_counts: Units


class Pages:
    """The pages of a document.

    Args:
        resources: number of the object with the fonts and the forms H (the table's header) and N (the page count).
        title: what the footer says, in one line.
    """

    def __init__(
        self, pdf: PdfFile, page: Page, shaper: Shaper, title: str, resources: int, pool: ThreadPoolExecutor
    ) -> None:
        self.numbers: list[int] = []
        self.parent = pdf.reserve()
        self._pdf, self._page, self._shaper, self._pool = pdf, page, shaper, pool
        self._resources = resources
        self._bottom = MARGIN + _FOOTER_HEIGHT
        self._y = self._top = page.height - MARGIN
        self._header_height = 0
        self._content = _Content()
        self._digit_width = self._width("0")
        self._label = self._shown("Page ") + b"%s" + self._shown(" of")
        self._label_width = self._width("Page  of ")
        # Where the count of pages begins: room for four digits.
        self._count_place = page.width - MARGIN - 4 * self._digit_width
        self._footer_start = self._prepare_footer(title)
        self._packed: deque[tuple[int, int, Future[bytes]]] = deque()

    def skip(self, height: int) -> None:
        self._y -= height

    def begin_table(self, header_height: int) -> None:
        """From here on each page begins with the header."""
        if self._y - header_height - 3_000 < self._bottom:
            self._turn()
        self._header_height = header_height
        self._content.drawings.append(self._header_at(self._y))
        self._y -= header_height

    def end_table(self) -> None:
        self._header_height = 0

    def write(self, rows: Rows, first_row: int | None = None, color: bytes = b"0 g", *, has_rule: bool = False) -> None:
        """Place rows; those of the table (with `first_row`, its number) are striped and marked as data."""
        is_data, grid = first_row is not None, rows.grid
        leading, pad = grid.leading, grid.size * 3 // 10 if is_data or has_rule else 0
        parts = self._parts(rows, leading, pad)
        heights = parts.line_counts * leading + 2 * pad
        tops, breaks = self._place(heights)
        number_in_part = np.arange(int(rows.first_lines[-1])) - np.repeat(parts.first_lines, parts.line_counts)
        ys = np.repeat(tops - pad, parts.line_counts) - leading * (number_in_part + 1) + grid.size * 3 // 10
        texts, offsets = rows.draw(ys, parts.first_lines if is_data else None)
        stripes, stripe_offsets = self._stripes(parts.rows, tops, heights, first_row)
        select = b"%s\n/%s %d Tf\n" % (color, grid.font.resource, grid.size)
        lines = np.append(parts.first_lines, len(offsets) - 1)
        start, turning = 0, set(breaks)
        for end in [*breaks, len(tops)]:
            if end > start:
                text = texts[offsets[lines[start]] : offsets[lines[end]]]
                self._content.texts.append(select + text.tobytes())
                self._content.stripes.append(stripes[stripe_offsets[start] : stripe_offsets[end]].tobytes())
            if end in turning:
                self._finish_page()
                if self._header_height:
                    self._content.drawings.append(self._header_at(self._top))
            start = end
        if has_rule:
            right = MARGIN + sum(self._page.widths)
            self._content.drawings.append(b"0.3 G 60 w %d %d m %d %d l S\n" % (MARGIN, tops[0], right, tops[0]))

    def finish(self) -> None:
        """Write the last page."""
        self._finish_page()
        self._drain(0)

    def _parts(self, rows: Rows, leading: int, pad: int) -> _Parts:
        room = self._top - self._header_height - self._bottom - 2 * pad
        capacity = max(1, room // leading)
        counts = rows.line_counts
        if counts.max(initial=0) <= capacity:
            return _Parts(np.arange(len(counts)), rows.first_lines[:-1], counts)
        pieces = -(-counts // capacity)
        row_of_part = np.repeat(np.arange(len(counts)), pieces)
        number = np.arange(len(row_of_part)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        line_counts = np.minimum(capacity, counts[row_of_part] - number * capacity)
        return _Parts(row_of_part, rows.first_lines[row_of_part] + number * capacity, line_counts)

    def _place(self, heights: Units) -> tuple[Units, list[int]]:
        """Where each part's top is; and before which parts a page ends."""
        ends = np.zeros(len(heights) + 1, np.int64)
        np.cumsum(heights, out=ends[1:])
        tops = np.empty(len(heights), np.int64)
        breaks: list[int] = []
        start, y, top = 0, self._y, self._top - self._header_height
        while start < len(heights):
            stop = int(np.searchsorted(ends, ends[start] + (y - self._bottom), "right")) - 1
            if stop <= start:
                if y < top:
                    breaks.append(start)
                    y = top
                    continue
                stop = start + 1
            tops[start:stop] = y - (ends[start:stop] - ends[start])
            y -= int(ends[stop] - ends[start])
            start = stop
        self._y = y
        return tops, breaks

    def _stripes(self, rows: Units, tops: Units, heights: Units, first_row: int | None) -> tuple[Bytes, Units]:
        offsets = np.zeros(len(rows) + 1, np.int64)
        if first_row is None:
            return np.empty(0, np.uint8), offsets
        is_striped = (rows + first_row) % 2 == 1
        left, width = MARGIN, sum(self._page.widths)
        bottoms = pa.array((tops - heights)[is_striped]).cast(pa.string())
        high = pa.array(heights[is_striped]).cast(pa.string())
        drawn = pc.binary_join_element_wise(f"{left} ", bottoms, f" {width} ", high, " re\n", "")
        lengths = np.zeros(len(rows), np.int64)
        lengths[is_striped] = pc.binary_length(drawn).to_numpy(zero_copy_only=False)
        np.cumsum(lengths, out=offsets[1:])
        return string_bytes(drawn), offsets

    def _turn(self) -> None:
        self._finish_page()
        self._y = self._top

    def _header_at(self, y: int) -> bytes:
        return b"q 1 0 0 1 %d %d cm /H Do Q\n" % (MARGIN, y - self._header_height)

    def _finish_page(self) -> None:
        content, self._content = self._content, _Content()
        number = len(self.numbers) + 1
        footer = self._footer(number)
        stream, page = self._pdf.reserve(), self._pdf.reserve()
        self.numbers.append(page)

        def join() -> bytes:
            pieces = [b"0.01 0 0 0.01 0 0 cm\n"]
            if any(content.stripes):
                pieces += [_ZEBRA, *content.stripes, b"f\n0 g\n"]
            if content.texts:
                pieces += [b"BT\n", *content.texts, b"ET\n"]
            return pack(b"".join([*pieces, *content.drawings, footer]))

        self._packed.append((stream, page, self._pool.submit(join)))
        self._drain(_WAITING)

    def _footer(self, number: int) -> bytes:
        """The title to the left; to the right `Page 3 of`, where the form N goes on with the count."""
        x = self._count_place - self._label_width - len(str(number)) * self._digit_width
        digits = "".join(f"{ord(digit):04X}" for digit in str(number)).encode()
        label = self._label % digits
        return self._footer_start + b"1 0 0 1 %d %d Tm <%s>Tj ET\n/N Do\n" % (x, MARGIN, label)

    def _prepare_footer(self, title: str) -> bytes:
        """What is the same on all pages. Codes of ASCII are the characters' own, so digits need only be marked."""
        page, font = self._page, self._shaper.font
        self._shaper.line("0123456789")
        shown = shown_line(self._shortened(title, page.width - 2 * MARGIN - 10_000), font, _FOOTER_SIZE)
        line = b"0.8 G 40 w %d %d m %d %d l S\n" % (MARGIN, MARGIN + 1_000, page.width - MARGIN, MARGIN + 1_000)
        select = b"BT /%s %d Tf\n" % (font.resource, _FOOTER_SIZE)
        return _GREY + line + select + b"1 0 0 1 %d %d Tm <%s>Tj\n" % (MARGIN, MARGIN, shown)

    def count_form(self) -> bytes:
        """The content of the form N, once all pages are there."""
        select = b"/%s %d Tf" % (self._shaper.font.resource, _FOOTER_SIZE)
        digits = self._shown(str(len(self.numbers)))
        return b"BT %s 1 0 0 1 %d %d Tm <%s>Tj ET" % (select, self._count_place, MARGIN, digits)

    def _shown(self, text: str) -> bytes:
        return shown_line(self._shaper.line(text), self._shaper.font, _FOOTER_SIZE)

    def _width(self, text: str) -> int:
        return self._shaper.font.width(self._shaper.line(text), _FOOTER_SIZE)

    def _shortened(self, text: str, room: int) -> Codes:
        codes, font = self._shaper.line(text), self._shaper.font
        if font.width(codes, _FOOTER_SIZE) <= room:
            return codes
        dots = self._shaper.line("…")
        while codes.size and font.width(np.append(codes, dots), _FOOTER_SIZE) > room:
            codes = codes[:-1]
        return np.append(codes, dots)

    def _drain(self, left: int) -> None:
        width, height = self._page.width, self._page.height
        while len(self._packed) > left:
            stream, page, packed = self._packed.popleft()
            self._pdf.put_packed(stream, packed.result())
            box = b"%d.%02d %d.%02d" % (*divmod(width, 100), *divmod(height, 100))
            links = b"/Parent %d 0 R/Resources %d 0 R/Contents %d 0 R" % (self.parent, self._resources, stream)
            self._pdf.put(page, b"<</Type/Page/MediaBox[0 0 %s]%s>>" % (box, links))
