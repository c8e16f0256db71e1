"""The objects of a composite font: its program, what it is called, how wide its codes are and what they mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from converters._pdf_file import PdfFile


@dataclass(frozen=True, slots=True)
class Program:
    """A font program, and the numbers that a reader needs; lengths are in 1/1000 em."""

    name: bytes
    content: bytes
    box: tuple[int, int, int, int]
    ascent: int
    descent: int
    is_truetype: bool


def write_font(
    pdf: PdfFile,
    number: int,
    program: Program,
    widths: Mapping[int, int],
    meanings: Iterable[tuple[int, str]],
    glyphs: bytes | None = None,
) -> None:
    """Write the font as object `number`.

    Args:
        widths: of each code.
        meanings: the text that each code is copied as.
        glyphs: for TrueType the number of each code's glyph, two bytes each.
    """
    file, descriptor, descendant, meaning = (pdf.reserve() for _ in range(4))
    kind = b"/Length1 %d" % len(program.content) if program.is_truetype else b"/Subtype/CIDFontType0C"
    pdf.put_stream(file, program.content, kind)
    pdf.put(
        descriptor,
        b"<</Type/FontDescriptor/FontName/%s/Flags 4/FontBBox[%d %d %d %d]" % (program.name, *program.box)
        + b"/ItalicAngle 0/Ascent %d/Descent %d/CapHeight 729/StemV 80" % (program.ascent, program.descent)
        + b"/FontFile%d %d 0 R>>" % (2 if program.is_truetype else 3, file),
    )
    places = b""
    if glyphs is not None:
        map_number = pdf.reserve()
        pdf.put_stream(map_number, glyphs)
        places = b"/CIDToGIDMap %d 0 R" % map_number
    pdf.put(
        descendant,
        b"<</Type/Font/Subtype/CIDFontType%d/BaseFont/%s" % (2 if program.is_truetype else 0, program.name)
        + b"/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>"
        + b"/FontDescriptor %d 0 R/DW 600/W[%s]%s>>"
        % (descriptor, b" ".join(b"%d[%d]" % pair for pair in widths.items()), places),
    )
    pdf.put_stream(meaning, _meanings(meanings))
    pdf.put(
        number,
        b"<</Type/Font/Subtype/Type0/BaseFont/%s/Encoding/Identity-H" % program.name
        + b"/DescendantFonts[%d 0 R]/ToUnicode %d 0 R>>" % (descendant, meaning),
    )


def _meanings(pairs: Iterable[tuple[int, str]]) -> bytes:
    lines = [f"<{code:04X}><{text.encode('utf-16-be').hex().upper()}>" for code, text in pairs]
    groups = [lines[start : start + 100] for start in range(0, len(lines), 100)]
    mapped = "".join(f"{len(group)} beginbfchar\n" + "\n".join(group) + "\nendbfchar\n" for group in groups)
    return (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap\n"
        "/CIDSystemInfo<</Registry(Adobe)/Ordering(UCS)/Supplement 0>> def\n"
        "/CMapName/Adobe-Identity-UCS def /CMapType 2 def\n"
        "1 begincodespacerange\n<0000><FFFF>\nendcodespacerange\n"
        f"{mapped}endcmap CMapName currentdict /CMap defineresource pop end end\n"
    ).encode()
