"""What one font file adds to a document: its forms in the order in which they were needed, and their codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from converters._pdf_embedding import Program, write_font
from converters._pdf_file import PdfFile
from converters._pdf_outlines import UNITS_PER_EM, Form, font_program
from converters._pdf_system_fonts import FontFile

if TYPE_CHECKING:
    import uharfbuzz as hb

_MOST_FORMS = 0xFFFE


class Supplement:
    """A font of the document beside the main one; codes count from 1."""

    def __init__(self, file: FontFile, resource: bytes) -> None:
        self.file, self.resource = file, resource
        self.font = scaled_font(file)
        self._forms: list[Form] = []

    @property
    def is_full(self) -> bool:
        return len(self._forms) >= _MOST_FORMS

    def add(self, form: Form) -> int:
        self._forms.append(form)
        return len(self._forms)

    def embed(self, pdf: PdfFile, number: int, tag: str) -> None:
        """Write the font as object `number`; `tag` tells subsets of one file apart."""
        name = f"{tag}+{self.file.postscript_name}"
        content, box = font_program(name, self.font, self._forms)
        extents = self.font.get_font_extents("ltr")
        program = Program(name.encode(), content, box, extents.ascender, extents.descender, is_truetype=False)
        widths = {code: form.advance for code, form in enumerate(self._forms, 1)}
        write_font(pdf, number, program, widths, ((code, form.text) for code, form in enumerate(self._forms, 1)))


def scaled_font(file: FontFile) -> hb.Font:
    """Lengths in 1/1000 em; of a variable font its default cut."""
    import uharfbuzz as hb

    font = hb.Font(file.face())
    font.scale = (UNITS_PER_EM, UNITS_PER_EM)
    return font
