"""The promises of all converters, kept by workbooks and PDF files too."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import openpyxl
import pyarrow as pa
from pypdf import PdfReader

from converters.excel import ExcelConfig, ExcelConverter
from converters.pdf import PdfConfig, PdfConverter
from shared.plugins import Converter
from tests.plugins.converter_contract import SCHEMA, ConverterContract, written


class TestExcelContract(ConverterContract):
    converter: ClassVar[Converter[Any]] = ExcelConverter(ExcelConfig())
    is_bytewise: ClassVar[bool] = False  # the widths of columns come from the first rows

    def cells(self, path: Path) -> list[list[str | None]]:
        workbook = openpyxl.load_workbook(path, read_only=True)
        try:
            rows = workbook.worksheets[0].iter_rows(min_row=2, max_col=2, values_only=True)
            return [[None if value is None else str(value) for value in row] for row in rows]
        finally:
            workbook.close()


class TestPdfContract(ConverterContract):
    converter: ClassVar[Converter[Any]] = PdfConverter(PdfConfig())
    is_bytewise: ClassVar[bool] = False  # the widths of columns come from the first rows
    # Asian scripts need fonts of the machine; right-to-left text is drawn in the order in which the eye sees it.
    scripts: ClassVar[list[str]] = ["Zürich", "Łódź", "Ελλάδα", "Київ", "Հայաստան", "ქართული"]
    large_rows: ClassVar[int] = 40_000

    def cells(self, path: Path) -> list[list[str | None]]:
        """The lines between the title and the names of the columns, which pages draw last."""
        lines: list[str] = []
        for number, page in enumerate(PdfReader(path).pages):
            drawn = page.extract_text().splitlines()
            lines += drawn[0 if number else 2 : drawn.index("id name")]
        return [list(line.split()) for line in lines if line != "No rows."]

    def test_null_is_not_the_empty_text(self, path: Path) -> None:
        """On paper both are nothing."""
        table = pa.table([[1, 2, None, 4], ["", None, "x", ""]], schema=SCHEMA)
        assert self.cells(written(self.converter, table, path)) == [["1"], ["2"], ["x"], ["4"]]
