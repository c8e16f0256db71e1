"""Files read by others than the converters: the rows without the header, one cell for each column."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import duckdb
import openpyxl
import pyarrow.parquet as pq
from pypdf import PdfReader
from python_calamine import CalamineWorkbook

Rows = Sequence[Sequence[Any]]

_FIELD = re.compile(r'(?:"((?:[^"]|"")*)"|([^",\n]*))(,|\n)')
_SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
csv.field_size_limit(1 << 20)
_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")


def read_csv(path: Path) -> Rows:
    """What stands in quotes is text, nothing at all is NULL; Python's csv, which knows no NULL, must see the same."""
    content = path.read_bytes().decode()
    rows: list[list[str | None]] = [[]]
    position = 0
    for field in _FIELD.finditer(content):
        assert field.start() == position
        quoted, bare, end = field.groups()
        rows[-1].append(bare or None if quoted is None else quoted.replace('""', '"'))
        position = field.end()
        if end == "\n":
            rows.append([])
    assert rows.pop() == []
    assert position == len(content)
    seen = [[value or "" for value in row] for row in rows]
    assert list(csv.reader(io.StringIO(content, newline=""), strict=True)) == seen
    return rows[1:]


def read_json(path: Path) -> Rows:
    return _values(json.loads(path.read_bytes(), parse_float=Decimal, parse_constant=_no_constant))


def read_ndjson(path: Path) -> Rows:
    lines = path.read_bytes().decode().split("\n")
    assert lines.pop() == ""
    return _values([json.loads(line, parse_float=Decimal, parse_constant=_no_constant) for line in lines])


def _values(rows: Sequence[Mapping[str, Any]]) -> Rows:
    return [list(row.values()) for row in rows]


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


class _Table(HTMLParser):
    """The cells of the table of rows; None where the text is in italics."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.rows: list[list[str | None]] = []
        self._is_open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr" and not attrs:
            self.rows.append([])
        elif tag == "td" and self.rows:
            self.rows[-1].append("")
            self._is_open = True
        elif tag == "i" and self._is_open:
            self.rows[-1][-1] = None

    def handle_endtag(self, tag: str) -> None:
        if tag == "td":
            self._is_open = False

    def handle_data(self, data: str) -> None:
        if self._is_open and self.rows[-1][-1] is not None:
            self.rows[-1][-1] += data


def read_html(path: Path) -> Rows:
    page = _Table()
    page.feed(path.read_bytes().decode())
    page.close()
    return page.rows


def read_xlsx(path: Path) -> Rows:
    """The bare XML, which tells NULL (no cell) from the empty text, and has dates as numbers."""
    with zipfile.ZipFile(path) as archive:
        sheet = ElementTree.fromstring(archive.read("xl/worksheets/sheet1.xml"))
    lines = list(sheet.iter(f"{_SHEET}row"))
    width = len(lines[0])
    return [_sheet_row(line, width) for line in lines[1:]]


def _sheet_row(line: ElementTree.Element, width: int) -> list[Any]:
    cells: list[Any] = [None] * width
    for cell in line:
        place = 0
        for letter in re.sub(r"\d", "", cell.attrib["r"]):
            place = place * 26 + ord(letter) - ord("A") + 1
        cells[place - 1] = _sheet_value(cell)
    return cells


def _sheet_value(cell: ElementTree.Element) -> Any:
    kind = cell.get("t")
    if kind == "inlineStr":
        text = "".join(part.text or "" for part in cell.iter(f"{_SHEET}t"))
        return unescaped(text)
    number = cell.findtext(f"{_SHEET}v") or ""
    if kind == "b":
        return number == "1"
    return int(number) if re.fullmatch(r"-?\d+", number) else float(number)


def unescaped(text: str) -> str:
    """Characters that XML cannot hold stand as `_x0001_` in a workbook."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)


def read_with_openpyxl(path: Path) -> Rows:
    return [list(row) for row in openpyxl.load_workbook(path).worksheets[0].iter_rows(min_row=2, values_only=True)]


def read_with_calamine(path: Path) -> Rows:
    return CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python(skip_empty_area=False)[1:]


def read_parquet(path: Path) -> Rows:
    return [list(row) for row in zip(*(column.to_pylist() for column in pq.read_table(path).columns), strict=True)]


def read_with_duckdb(path: Path) -> Rows:
    """Moments with a zone as text, for DuckDB wants another package to make Python's of them."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        found = connection.sql(f"SELECT * FROM read_parquet('{path}')")
        names = [
            name
            for name, kind in zip(found.columns, found.types, strict=True)
            if str(kind).startswith("TIMESTAMP WITH")
        ]
        casts = ", ".join(f'"{name}"::VARCHAR AS "{name}"' for name in names)
        rows = found.query("t", f"SELECT * REPLACE ({casts}) FROM t" if casts else "SELECT * FROM t").fetchall()
        places = {found.columns.index(name) for name in names}
    return [[_moment(value) if place in places else value for place, value in enumerate(row)] for row in rows]


def _moment(text: Any) -> Any:
    return datetime.fromisoformat(text) if isinstance(text, str) else text


def read_pdf(path: Path) -> Rows:
    """One column of values: what stands behind each `#n#`, without the header and the footer of the pages."""
    words = ""
    for page in PdfReader(path).pages:
        text = page.extract_text()
        words += text[: text.rindex("mark value")]
    return [[value.strip()] for value in re.split(r"#\d+#", words)[1:]]


READERS: Mapping[str, Callable[[Path], Rows]] = {
    "csv": read_csv,
    "html": read_html,
    "json": read_json,
    "ndjson": read_ndjson,
    "xlsx": read_xlsx,
    "pdf": read_pdf,
    "parquet": read_parquet,
}
