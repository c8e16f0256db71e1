"""The type of a document: DejaVu, and behind it the machine's fonts for the characters that DejaVu lacks.

Text is laid out in codes: a character's code is its code point; glyphs that a script joins or places have codes above
all code points. In the file a code of DejaVu is the code point again, so that copied text is exact even where two
characters share a glyph or have none; a supplement numbers its forms.
"""

from __future__ import annotations

import functools
import unicodedata
from pathlib import Path

import numpy as np
import numpy.typing as npt

from converters._pdf_embedding import Program, write_font
from converters._pdf_file import PdfFile
from converters._pdf_outlines import UNITS_PER_EM, Form
from converters._pdf_supplement import Supplement
from converters._pdf_system_fonts import FontFile, FontFinder, Region

_FOLDER = Path(__file__).parent / "fonts"
_BASIC = 0x10000
_POINTS = 0x110000
_CODES = _POINTS + 0x10000
_OPEN = 0xFFFF
_TAB, _LINE_FEED, _SPACE, _HARD_SPACE = 0x09, 0x0A, 0x20, 0xA0
_UNUSED_TABLES = ("GSUB", "GPOS", "GDEF", "MATH", "name", "post", "OS/2", "gasp", "cmap")

Codes = npt.NDArray[np.uint32]
Units = npt.NDArray[np.int64]


class Typeface:
    """DejaVu in one weight: what its file says; shared by all documents of the process."""

    def __init__(self, file_name: str, weight: int) -> None:
        import uharfbuzz as hb

        path = _FOLDER / file_name
        face = hb.Face(hb.Blob.from_file_path(str(path)))
        font = hb.Font(face)
        self.file = FontFile(path, 0, path.stem, weight, face.unicodes)
        self.units_per_em: int = face.upem
        extents = font.get_font_extents("ltr")
        self.ascent, self.descent = self._thousandths(extents.ascender), self._thousandths(extents.descender)
        advances = np.array([font.get_glyph_h_advance(glyph) for glyph in range(face.glyph_count)], np.int32)
        self.glyphs = np.zeros(_BASIC, np.uint16)
        for point in face.unicodes:
            if point < _BASIC:
                self.glyphs[point] = font.get_nominal_glyph(point)
        self.groups = np.full(_CODES, _OPEN, np.uint16)
        self.groups[:_BASIC][self.glyphs != 0] = 0
        blanks = [code for code in range(_BASIC) if self.glyphs[code] == 0 and is_invisible(chr(code))]
        self.glyphs[[*blanks, _TAB]] = self.glyphs[_SPACE]
        self.groups[[*blanks, _TAB, _LINE_FEED]] = 0
        self.advances = np.full(_CODES, advances[0], np.int32)
        self.advances[:_BASIC] = advances[self.glyphs]
        self.advances[blanks] = 0

    def _thousandths(self, value: int) -> int:
        return round(value * UNITS_PER_EM / self.units_per_em)

    def subset(self, glyphs: list[int], tag: str) -> Program:
        """The file with these glyphs only, their numbers kept."""
        import uharfbuzz as hb

        wanted = hb.SubsetInput()
        wanted.glyph_set.update(hb.Set(set(glyphs)))
        wanted.drop_table_tag_set.update(hb.Set({int.from_bytes(tag.encode(), "big") for tag in _UNUSED_TABLES}))
        flags = hb.SubsetFlags
        wanted.flags = flags.RETAIN_GIDS | flags.NO_HINTING | flags.NOTDEF_OUTLINE | flags.NO_LAYOUT_CLOSURE
        face = self.file.face()
        content = hb.subset(face, wanted).blob.data
        corners = np.frombuffer(bytes(face.reference_table("head").data)[36:44], ">i2")
        box = tuple(self._thousandths(int(corner)) for corner in corners)
        name = f"{tag}+{self.file.postscript_name}".encode()
        return Program(name, bytes(content), box, self.ascent, self.descent, is_truetype=True)  # type: ignore[arg-type]


@functools.cache
def typeface(*, is_bold: bool) -> Typeface:
    return Typeface("DejaVuSans-Bold.ttf", 700) if is_bold else Typeface("DejaVuSans.ttf", 400)


class Font:
    """The type of one weight in one document.

    Threads may encode at once, after `find` has seen the text: it takes new characters in their order, so that equal
    data gives equal bytes.
    """

    def __init__(self, face: Typeface, resource: str, region: Region = "simplified") -> None:
        self.face = face
        self.resource = resource.encode()
        self.groups = face.groups.copy()
        """0: the main font, n: the n-th supplement."""
        self.file_codes = np.arange(_CODES, dtype=np.uint32).astype(np.uint16)
        self.supplements: list[Supplement] = []
        self._advances = face.advances.copy()
        self._used = np.zeros(_CODES, bool)
        self._finder = FontFinder(face.file, region)
        self._missing: set[str] = set()
        self.forms: dict[int, Form] = {}
        """What the codes above all code points draw."""
        self._codes_of_forms: dict[tuple[FontFile, Form], int] = {}

    def find(self, codes: Codes) -> None:
        """Look for fonts for the characters that no font of the document is known to have."""
        unknown = codes[self.groups[codes] == _OPEN]
        if unknown.size:
            for point in np.unique(unknown).tolist():
                self._find(point)

    def _find(self, point: int) -> None:
        character = chr(point)
        if is_invisible(character):
            self._draw(point, self.face.file, Form((), 0, character))
            return
        file = self._finder.find(character)
        if file is None:
            self._missing.add(character)
            file = self.face.file
            if point < _BASIC:
                self.groups[point] = 0
                return
        font = self._supplement(file).font
        glyph = font.get_nominal_glyph(point) or 0
        self._draw(point, file, Form(((glyph, 0, 0),), font.get_glyph_h_advance(glyph), character))

    def file_for(self, text: str) -> FontFile | None:
        """The font file that can shape all of a text."""
        return self._finder.find(text)

    def form_code(self, file: FontFile, form: Form) -> int | None:
        """The code of a form; None where the document has as many as it can hold."""
        code = self._codes_of_forms.get((file, form))
        if code is None and len(self.forms) < _CODES - _POINTS:
            code = self._codes_of_forms[file, form] = _POINTS + len(self.forms)
            self.forms[code] = form
            self._draw(code, file, form)
        return code

    def _draw(self, code: int, file: FontFile, form: Form) -> None:
        supplement = self._supplement(file)
        self.groups[code] = self.supplements.index(supplement) + 1
        self.file_codes[code] = supplement.add(form)
        self._advances[code] = round(form.advance * self.face.units_per_em / UNITS_PER_EM)

    def _supplement(self, file: FontFile) -> Supplement:
        for supplement in self.supplements:
            if supplement.file == file and not supplement.is_full:
                return supplement
        self.supplements.append(Supplement(file, self.resource + b"S%d" % (len(self.supplements) + 1)))
        return self.supplements[-1]

    def use(self, codes: Codes) -> None:
        """Remember what has to be embedded."""
        self._used[codes] = True

    def advances(self, codes: Codes) -> npt.NDArray[np.int32]:
        """Widths in the main font's units."""
        return self._advances[codes]

    def width(self, codes: Codes, size: int) -> int:
        """In the unit of `size`."""
        return int(self._advances[codes].sum()) * size // self.face.units_per_em

    def missing(self) -> set[str]:
        """Characters of the text that no font can draw."""
        return self._missing | {chr(code) for code in self._own_codes() if self.face.glyphs[code] == 0}

    def embed(self, pdf: PdfFile, number: int, tag: str) -> None:
        """Write the main font as object `number`, with the glyphs that were used; `tag` tells subsets apart."""
        codes = self._own_codes()
        glyphs = self.face.glyphs[: codes[-1] + 1 if codes else 1]
        program = self.face.subset(sorted({0, *glyphs[codes].tolist()}), tag)
        widths = np.rint(self._advances[codes] * UNITS_PER_EM / self.face.units_per_em).astype(int).tolist()
        meanings = ((code, chr(code)) for code in codes)
        write_font(
            pdf, number, program, dict(zip(codes, widths, strict=True)), meanings, glyphs.astype(">u2").tobytes()
        )

    def _own_codes(self) -> list[int]:
        is_own = (self.groups[:_BASIC] == 0) | (self.groups[:_BASIC] == _OPEN)
        codes: list[int] = np.flatnonzero(self._used[:_BASIC] & is_own).tolist()
        return [code for code in codes if code != _LINE_FEED]


def is_invisible(character: str) -> bool:
    """Marks without a look of their own: joiners, directions, variation selectors."""
    is_selector = "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"
    return is_selector or unicodedata.category(character) == "Cf"
