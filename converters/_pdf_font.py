"""Fonts of a PDF file: characters to codes and widths by table; a subset of the font file is embedded at the end.

The code of a character is its code point, so that copied text is exact even where two characters share a glyph or have
none. Characters beyond U+FFFF take codes from the range of the surrogates, which are no characters.
"""

from __future__ import annotations

import functools
import io
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from converters._pdf_file import PdfFile

_FOLDER = Path(__file__).parent / "fonts"
_CODES = 0x10000
_SPARE_CODES = range(0xD800, 0xE000)
_UNKNOWN = 0xFFFD
_PRESENTATION_FORMS = (range(0xFB1D, 0xFE00), range(0xFE70, 0xFF00))
_UNUSED_TABLES = ["GSUB", "GPOS", "GDEF", "kern", "FFTM", "name", "post", "OS/2", "gasp", "cmap", "MATH"]

Codes = npt.NDArray[np.uint16]
Units = npt.NDArray[np.int64]


class Typeface:
    """What the font file says; shared by all documents of the process."""

    def __init__(self, file_name: str) -> None:
        from fontTools.ttLib import TTFont

        self.path = _FOLDER / file_name
        self.name = self.path.stem
        with TTFont(self.path, lazy=True) as font:
            head, hhea = font["head"], font["hhea"]
            self.units_per_em: int = head.unitsPerEm
            self.box = [
                round(value * 1000 / self.units_per_em) for value in (head.xMin, head.yMin, head.xMax, head.yMax)
            ]
            self.ascent, self.descent = (
                round(value * 1000 / self.units_per_em) for value in (hhea.ascent, hhea.descent)
            )
            numbers = font.getReverseGlyphMap()
            self.glyphs: dict[int, int] = {code: numbers[name] for code, name in font.getBestCmap().items()}
            metrics = font["hmtx"].metrics
            self.advances = np.array([metrics[name][0] for name in font.getGlyphOrder()], np.int64)

    def subset(self, glyphs: list[int]) -> bytes:
        from fontTools import subset
        from fontTools.ttLib import TTFont

        options = subset.Options()
        options.retain_gids = True
        options.layout_features = []
        options.hinting = False
        options.notdef_outline = True
        options.glyph_names = False
        options.recalc_timestamp = False
        options.drop_tables += _UNUSED_TABLES
        with TTFont(self.path, lazy=True, recalcTimestamp=False) as font:
            subsetter = subset.Subsetter(options)
            subsetter.populate(gids=glyphs)
            subsetter.subset(font)
            content = io.BytesIO()
            font.save(content)
        return content.getvalue()


@functools.cache
def typeface(file_name: str) -> Typeface:
    return Typeface(file_name)


class Font:
    """A typeface in one document. Threads may encode at once, after `reserve` has seen the text."""

    def __init__(self, face: Typeface, resource: str) -> None:
        self.face = face
        self.resource = resource.encode()
        self._glyphs = np.zeros(_CODES, np.uint16)
        for code, glyph in face.glyphs.items():
            if code < _CODES:
                self._glyphs[code] = glyph
        self._advances = face.advances[self._glyphs]
        self._codes = np.arange(0x110000, dtype=np.uint32).astype(np.uint16)
        self._codes[_CODES:] = _UNKNOWN
        self._characters: dict[int, str] = {}
        self._used = np.zeros(_CODES, bool)
        self._blanks = _blanks(face)
        for code in self._blanks:
            self._glyphs[code] = face.glyphs[0x20]
            self._advances[code] = face.advances[face.glyphs[0x20]] if code in (0x09, 0xA0) else 0

    def reserve(self, characters: set[str]) -> None:
        """Give codes to characters beyond U+FFFF, in their order, so that equal data gives equal bytes."""
        for character in sorted(characters):
            point, code = ord(character), _SPARE_CODES.start + len(self._characters)
            if self._codes[point] != _UNKNOWN or code not in _SPARE_CODES:
                continue
            self._codes[point] = code
            self._characters[code] = character
            self._glyphs[code] = self.face.glyphs.get(point, 0)
            self._advances[code] = self.face.advances[self._glyphs[code]]

    def encode(self, points: npt.NDArray[np.uint32]) -> Codes:
        codes = self._codes[points]
        self._used[codes] = True
        return codes

    def text(self, text: str) -> Codes:
        self.reserve({character for character in text if ord(character) >= _CODES})
        return self.encode(np.frombuffer(text.encode("utf-32-le", "replace"), np.uint32))

    def advances(self, codes: Codes) -> Units:
        """Widths in the font's units."""
        return self._advances[codes]

    def width(self, text: str, size: int) -> int:
        """In the unit of `size`."""
        return int(self._advances[self.text(text)].sum()) * size // self.face.units_per_em

    def missing(self) -> list[str]:
        """Characters of the text that the typeface cannot draw."""
        codes = np.flatnonzero(self._used & (self._glyphs == 0)).tolist()
        return [self._character(code) for code in codes if code != 0x0A]

    def embed(self, pdf: PdfFile, number: int) -> None:
        """Write the font as object `number`, with the glyphs that were used."""
        program, descriptor, descendant, meaning, places = (pdf.reserve() for _ in range(5))
        codes = np.flatnonzero(self._used)
        name = b"/RHSUBS+" + self.face.name.encode()
        content = self.face.subset(sorted({0, *self._glyphs[codes].tolist()}))
        pdf.put_stream(program, content, b"/Length1 %d" % len(content))
        face = self.face
        pdf.put(
            descriptor,
            b"<</Type/FontDescriptor/FontName%s/Flags 4/FontBBox[%d %d %d %d]" % (name, *face.box)
            + b"/ItalicAngle 0/Ascent %d/Descent %d/CapHeight 729/StemV 80" % (face.ascent, face.descent)
            + b"/FontFile2 %d 0 R>>" % program,
        )
        last = int(codes[-1]) if codes.size else 0
        pdf.put_stream(places, self._glyphs[: last + 1].astype(">u2").tobytes())
        scaled = np.rint(self._advances[codes] * 1000 / face.units_per_em).astype(np.int64)
        widths = b" ".join(b"%d[%d]" % pair for pair in zip(codes.tolist(), scaled.tolist(), strict=True))
        pdf.put(
            descendant,
            b"<</Type/Font/Subtype/CIDFontType2/BaseFont%s" % name
            + b"/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>"
            + b"/FontDescriptor %d 0 R/DW 600/W[%s]/CIDToGIDMap %d 0 R>>" % (descriptor, widths, places),
        )
        pdf.put_stream(meaning, self._to_unicode(codes.tolist()))
        pdf.put(
            number,
            b"<</Type/Font/Subtype/Type0/BaseFont%s/Encoding/Identity-H" % name
            + b"/DescendantFonts[%d 0 R]/ToUnicode %d 0 R>>" % (descendant, meaning),
        )

    def _character(self, code: int) -> str:
        return self._characters.get(code) or chr(code)

    def _to_unicode(self, codes: list[int]) -> bytes:
        lines = [f"<{code:04X}><{_meaning(self._character(code)).encode('utf-16-be').hex().upper()}>" for code in codes]
        groups = [lines[start : start + 100] for start in range(0, len(lines), 100)]
        mapped = "".join(f"{len(group)} beginbfchar\n" + "\n".join(group) + "\nendbfchar\n" for group in groups)
        return (
            "/CIDInit /ProcSet findresource begin 12 dict begin begincmap\n"
            "/CIDSystemInfo<</Registry(Adobe)/Ordering(UCS)/Supplement 0>> def\n"
            "/CMapName/Adobe-Identity-UCS def /CMapType 2 def\n"
            "1 begincodespacerange\n<0000><FFFF>\nendcodespacerange\n"
            f"{mapped}endcmap CMapName currentdict /CMap defineresource pop end end\n"
        ).encode()


def _meaning(character: str) -> str:
    """Shaped letters are copied as the letters that were written."""
    if any(ord(character) in forms for forms in _PRESENTATION_FORMS):
        return unicodedata.normalize("NFKC", character)
    return character


@functools.cache
def _blanks(face: Typeface) -> frozenset[int]:
    """Characters without a look of their own that the typeface lacks: tabs and invisible marks."""
    invisible: Any = (code for code in range(_CODES) if unicodedata.category(chr(code)) == "Cf")
    return frozenset({0x09, *(code for code in invisible if code not in face.glyphs)})
