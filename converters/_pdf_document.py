"""A report as a PDF document: title block, table, totals, notes; fonts and everything that counts pages at the end."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from converters._pdf_file import PdfFile, date_string, text_string
from converters._pdf_font import Font
from converters._pdf_grid import Grid
from converters._pdf_pages import Pages
from converters._pdf_shaping import Shaper
from converters._pdf_supplement import Supplement
from converters._pdf_text import texts
from converters._pdf_widths import MARGIN, Page, gap

_GREY = b"0.35 g"


@dataclass(frozen=True, slots=True)
class Properties:
    """What the file says about itself."""

    title: str
    creator: str
    created_at: datetime


class Document:
    """Usage: `paragraphs()` for the title block, `begin_table()`, `rows()` …, `total()`, `end_table()`, `finish()`."""

    def __init__(
        self,
        sink: BinaryIO,
        page: Page,
        shapers: tuple[Shaper, Shaper],
        properties: Properties,
        is_right_aligned: Sequence[bool],
        pool: ThreadPoolExecutor,
    ) -> None:
        self._pdf = PdfFile(sink)
        self._page, self._pool = page, pool
        self._regular, self._bold = shapers
        self._properties = properties
        self._header, self._count, self._resources, self._fonts = (self._pdf.reserve() for _ in range(4))
        self._has_header = False
        title = " ".join(properties.title.split())
        self._pages = Pages(self._pdf, page, self._regular, title, self._resources, pool)
        edges = MARGIN + np.concatenate([[0], np.cumsum(page.widths)]).astype(int)
        inner = gap(page.size)
        lefts = tuple(int(edge) + inner for edge in edges[:-1])
        rights = tuple(int(edge) - inner for edge in edges[1:])
        self._body = Grid(lefts, rights, tuple(is_right_aligned), self._regular, page.size)
        self._strong = Grid(lefts, rights, tuple(is_right_aligned), self._bold, page.size)

    def paragraphs(self, lines: Sequence[str], size: int, *, is_bold: bool = False, is_grey: bool = False) -> None:
        """Lines of text over the whole width of the page."""
        if not lines:
            return
        shaper = self._bold if is_bold else self._regular
        grid = Grid((MARGIN,), (self._page.width - MARGIN,), (False,), shaper, size)
        column = texts(pa.array(lines, pa.string()), "UTC")
        self._pages.write(grid.lay([column], self._pool), color=_GREY if is_grey else b"0 g")

    def skip(self, height: int) -> None:
        self._pages.skip(height)

    def begin_table(self, names: Sequence[str]) -> None:
        """Write the header once; each page shows it."""
        if not names:
            return
        columns = [texts(pa.array([name], pa.string()), "UTC") for name in names]
        rows = self._strong.lay(columns, self._pool)
        leading, pad = self._strong.leading, self._page.size * 4 // 10
        count = int(rows.line_counts[0])
        height, width = count * leading + 2 * pad, sum(self._page.widths)
        ys = height - pad - leading * np.arange(1, count + 1) + self._page.size * 3 // 10
        drawn, _ = rows.draw(ys)
        content = (
            b"1 0 0 1 %d 0 cm 0.86 0.9 0.95 rg 0 0 %d %d re f 0 g 0.35 G 60 w 0 0 m %d 0 l S\n"
            % (0, width, height, width)
            + b"1 0 0 1 %d 0 cm BT /%s %d Tf\n" % (-MARGIN, self._strong.font.resource, self._page.size)
            + drawn.tobytes()
            + b"ET"
        )
        self._pdf.put_stream(self._header, content, self._form(width, height))
        self._has_header = True
        self._pages.begin_table(height)

    def rows(self, columns: Sequence[pa.Array], first_row: int) -> None:
        self._pages.write(self._body.lay(columns, self._pool), first_row)

    def total(self, cells: Sequence[str]) -> None:
        columns = [pa.array([cell], pa.string()) for cell in cells]
        self._pages.write(self._strong.lay(columns, self._pool), has_rule=True)

    def end_table(self) -> None:
        self._pages.end_table()

    def finish(self) -> set[str]:
        """Write the rest; return the characters that no font could draw."""
        pages, pdf, page = self._pages, self._pdf, self._page
        pages.finish()
        pdf.put_stream(self._count, pages.count_form(), self._form(page.width, page.height))
        if not self._has_header:
            pdf.put_stream(self._header, b"", self._form(0, 0))
        fonts = (self._regular.font, self._bold.font)
        programs: list[Font | Supplement] = [*fonts, *fonts[0].supplements, *fonts[1].supplements]
        numbers = [pdf.reserve() for _ in programs]
        for index, (program, number) in enumerate(zip(programs, numbers, strict=True)):
            program.embed(pdf, number, tag=_tag(index))
        named = b"".join(b"/%s %d 0 R" % (item.resource, at) for item, at in zip(programs, numbers, strict=True))
        forms = b"/H %d 0 R/N %d 0 R" % (self._header, self._count)
        self._pdf.put(self._fonts, b"<<%s>>" % named)
        pdf.put(self._resources, b"<</Font %d 0 R/XObject<<%s>>>>" % (self._fonts, forms))
        kids = b" ".join(b"%d 0 R" % number for number in pages.numbers)
        pdf.put(pages.parent, b"<</Type/Pages/Count %d/Kids[%s]>>" % (len(pages.numbers), kids))
        catalog, information = pdf.reserve(), pdf.reserve()
        pdf.put(catalog, b"<</Type/Catalog/Pages %d 0 R/ViewerPreferences<</DisplayDocTitle true>>>>" % pages.parent)
        moment, about = date_string(self._properties.created_at), self._properties
        pdf.put(
            information,
            b"<</Title%s/Creator%s/Producer(Report Hub)" % (text_string(about.title), text_string(about.creator))
            + b"/CreationDate%s/ModDate%s>>" % (moment, moment),
        )
        pdf.close(catalog, information)
        return fonts[0].missing() | fonts[1].missing()

    def _form(self, width: int, height: int) -> bytes:
        kind = b"/Type/XObject/Subtype/Form/BBox[%d %d %d %d]" % (-100, -100, width + 100, height + 100)
        return kind + b"/Resources<</Font %d 0 R>>" % self._fonts


def _tag(index: int) -> str:
    """Six letters before the name of a subset, others for each."""
    return "RHSU" + chr(ord("A") + index // 26) + chr(ord("A") + index % 26)
