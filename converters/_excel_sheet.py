"""The XML of worksheets: the table of data rows, made block by block, and small sheets of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from converters._excel_cells import cells, reject_long_text
from converters._excel_styles import Style, Styles, style_of
from converters._excel_text import escape_one
from converters._excel_totals import Number, sum_of
from converters._excel_values import plain
from converters._misfits import located
from shared.plugins.arrow_text import is_decimal_text, join_rows

TITLE = "Excel"
_OPEN = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
)
_WIDEST = 60
_SAMPLE = 1_000


@dataclass(frozen=True, slots=True)
class SheetOptions:
    """How the sheets of data look and print."""

    freezes_header: bool
    autofilter: bool
    orientation: Literal["landscape", "portrait"]
    page_size: Literal["A4", "letter"]
    title: str


@dataclass(frozen=True, slots=True)
class Block:
    """The XML of some rows; which columns hold numbers written as text; the sums of the totaled columns."""

    xml: memoryview
    text_columns: frozenset[int]
    sums: tuple[Number, ...]


class Table:
    """The table's columns: letters, styles, widths. Threads may ask for `rows` at once."""

    def __init__(
        self,
        sample: pa.RecordBatch,
        options: SheetOptions,
        timezone: str,
        totaled: Sequence[int],
        styles: Styles,
    ) -> None:
        schema = sample.schema
        self.names: list[str] = schema.names
        self.letters = [column_letters(index) for index in range(len(schema))]
        self._options, self._timezone, self._totaled = options, timezone, tuple(totaled)
        self._is_number_text = [is_decimal_text(field) for field in schema]
        samples = self._plain(sample.slice(0, _SAMPLE), 1)
        found = [style_of(field, column) for field, column in zip(schema, samples, strict=True)]
        self._styles = [styles.attribute(style) for style in found]
        self.header_style = styles.attribute(Style(is_bold=True, is_header=True))
        self.total_styles = [styles.attribute(Style(style.format, is_bold=True, is_total=True)) for style in found]
        self._widths = [
            _width(name, column, index in self._totaled)
            for index, (name, column) in enumerate(zip(self.names, samples, strict=True))
        ]

    def head(self) -> bytes:
        """All before the first data row."""
        panes = ""
        if self._options.freezes_header:
            panes = '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
        widths = "".join(
            f'<col min="{number}" max="{number}" width="{width}" customWidth="1"/>'
            for number, width in enumerate(self._widths, 1)
        )
        header = "".join(
            text_cell(f"{letters}1", name, self.header_style)
            for letters, name in zip(self.letters, self.names, strict=True)
        )
        return (
            f'{_OPEN}<sheetPr><pageSetUpPr fitToPage="1"/></sheetPr>'
            f'<sheetViews><sheetView workbookViewId="0">{panes}</sheetView></sheetViews>'
            '<sheetFormatPr defaultRowHeight="15"/>'
            + (f"<cols>{widths}</cols>" if widths else "")
            + f'<sheetData><row r="1">{header}</row>'
        ).encode()

    def rows(self, batch: pa.RecordBatch, row: int, data_row: int) -> Block:
        """The rows of a block, which begin in `row` of the sheet and are the report's from `data_row` on."""
        columns = self._plain(batch, data_row)
        numbers = pa.array(np.arange(row, row + batch.num_rows, dtype=np.int32)).cast(pa.string())
        parts: list[pa.Array | str] = ['<row r="', numbers, '">']
        text_columns = set()
        for index, column in enumerate(columns):
            reject_long_text(column, data_row, self.names[index])
            made = cells(column, self._styles[index], self._is_number_text[index])
            if made.is_mixed:
                text_columns.add(index)
            cell = [f'<c r="{self.letters[index]}', numbers, f'"{made.opening}', made.values, made.closing]
            # Only a NULL makes joining the cell by itself necessary: joining all at once is faster.
            parts += [pc.binary_join_element_wise(*cell, "")] if made.values.null_count else cell
        parts.append("</row>")
        sums = tuple(sum_of(columns[index]) for index in self._totaled)
        xml = join_rows(_merged(parts))
        return Block(memoryview(xml), frozenset(text_columns), sums)  # type: ignore[arg-type]

    def tail(self, last_row: int, totals: str = "") -> bytes:
        """All after the last data row."""
        paper = {"A4": 9, "letter": 1}[self._options.page_size]
        filtered = self.filtered(last_row)
        title = escape_one(self._options.title.replace("&", "&&")[:200])
        return (
            f"{totals}</sheetData>"
            + (f'<autoFilter ref="{filtered}"/>' if filtered else "")
            + '<pageMargins left="0.4" right="0.4" top="0.6" bottom="0.6" header="0.3" footer="0.3"/>'
            f'<pageSetup paperSize="{paper}" orientation="{self._options.orientation}" '
            'fitToWidth="1" fitToHeight="0"/>'
            "<headerFooter>"
            + (f"<oddHeader>&amp;L{title}</oddHeader>" if title.strip() else "")
            + "<oddFooter>&amp;C&amp;P / &amp;N</oddFooter></headerFooter></worksheet>"
        ).encode()

    def _plain(self, batch: pa.RecordBatch, data_row: int) -> list[pa.Array]:
        columns = []
        for name, column in zip(self.names, batch.columns, strict=True):
            with located(name, data_row, TITLE):
                columns.append(plain(column, self._timezone))
        return columns

    def filtered(self, last_row: int) -> str | None:
        """The range of the filter."""
        return f"A1:{self.letters[-1]}{last_row}" if self._options.autofilter and self.letters else None


def _merged(parts: Sequence[pa.Array | str]) -> list[pa.Array | str]:
    """Constants that follow each other as one."""
    merged: list[pa.Array | str] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        else:
            merged.append(part)
    return merged


def text_sheet(rows: Sequence[Sequence[str]], widths: Sequence[int], first_style: str, style: str) -> str:
    """A small sheet of text, without a header."""
    columns = "".join(
        f'<col min="{number}" max="{number}" width="{width}" customWidth="1"/>'
        for number, width in enumerate(widths, 1)
    )
    lines = "".join(
        f'<row r="{number}">'
        + "".join(
            text_cell(f"{column_letters(index)}{number}", text, first_style if index == 0 else style)
            for index, text in enumerate(row)
        )
        + "</row>"
        for number, row in enumerate(rows, 1)
    )
    return f"{_OPEN}<cols>{columns}</cols><sheetData>{lines}</sheetData></worksheet>"


def text_cell(reference: str, text: str, style: str) -> str:
    return f'<c r="{reference}"{style} t="inlineStr"><is><t xml:space="preserve">{escape_one(text)}</t></is></c>'


def column_letters(index: int) -> str:
    """0 → A, 26 → AA."""
    letters = ""
    number = index + 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _width(name: str, sample: pa.Array, is_totaled: bool) -> int:
    """In characters: the longest value of the sample, room for the header and its filter button."""
    kind = sample.type
    if types.is_date(kind):
        longest = 11
    elif types.is_timestamp(kind):
        longest = 23
    elif types.is_time(kind) or types.is_duration(kind):
        longest = 13
    elif types.is_null(kind):
        longest = 0
    else:
        longest = (pc.max(pc.utf8_length(sample.cast(pa.string()))).as_py() or 0) + 2
    header = min(max(map(len, name.split("\n"))) + 4, 40)
    return min(max(header, longest + 3 * is_totaled, 8), _WIDEST)


def total_cells(table: Table, cells_by_column: Mapping[int, str], row: int) -> str:
    """The row of totals; the first column says so unless it is totaled itself."""
    by_column = dict(cells_by_column)
    if 0 not in by_column:
        by_column[0] = text_cell(f"A{row}", "Total", table.total_styles[0])
    for index, letters in enumerate(table.letters):
        by_column.setdefault(index, f'<c r="{letters}{row}"{table.total_styles[index]}/>')
    cells_in_order = "".join(by_column[index] for index in range(len(table.letters)))
    # Attributes in this order tell the row from data rows: see _excel_count.
    return f'<row customFormat="1"{table.total_styles[0]} r="{row}">{cells_in_order}</row>'
