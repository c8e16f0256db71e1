"""HTML pages, read back by Python's html.parser."""

from __future__ import annotations

import json
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pytest

from converters.html import HtmlConfig, HtmlConverter
from shared.errors import ConversionRejected
from shared.plugins import Control, Converter, ReportInfo
from shared.plugins.arrow_text import decimal_text
from tests.plugins.converter_contract import ConverterContract, report, written
from tests.plugins.converter_values import UNION, Case, every_type, unrepresentable

CORPUS = json.loads((Path(__file__).parents[1] / "corpora" / "formula_cells.json").read_text())["html_and_pdf"]
_EMPTY = {"meta", "br", "img"}


class Page(HTMLParser):
    """Tables as rows of cells (None where the text is in italics: NULL), and all other text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: dict[str, list[list[str | None]]] = {}
        self.alignments: list[str | None] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words = ""
        self._open: list[str] = []
        self._table: list[list[str | None]] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag in _EMPTY:
            return
        self._open.append(tag)
        if tag == "table":
            self._table = self.tables.setdefault(str(dict(attrs)["class"]), [])
        elif tag == "tr":
            self._table.append([])
        elif tag in ("td", "th"):
            self._table[-1].append("")
            if tag == "td":
                self.alignments.append(dict(attrs).get("align"))
        elif tag == "i":
            self._table[-1][-1] = None

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in ("td", "th"):
            self._table[-1][-1] = (self._table[-1][-1] or "") + data
        else:
            self.words += data


class TestHtmlContract(ConverterContract):
    converter: ClassVar[Converter[Any]] = HtmlConverter(HtmlConfig())

    def cells(self, path: Path) -> list[list[str | None]]:
        return Page(path.read_bytes().decode()).tables["rows"][1:]


def made(table: pa.Table, tmp_path: Path, info: ReportInfo | None = None, **options: Any) -> Page:
    path = written(HtmlConverter(HtmlConfig(**options)), table, tmp_path / "report.html", info)
    return Page(path.read_bytes().decode())


@every_type
def test_every_type_has_one_text(case: Case, tmp_path: Path) -> None:
    rows = made(pa.table({"value": case.array}), tmp_path).tables["rows"][1:]
    assert [row[0] for row in rows] == case.texts


@unrepresentable
def test_a_value_without_a_text_is_named_by_row_and_column(array: pa.Array, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConversionRejected, match=f"Row 2 of column when holds {words}.*, which HTML cannot hold"):
        made(pa.table({"when": array}), tmp_path)


def test_a_type_without_a_text_is_named_by_column(tmp_path: Path) -> None:
    with pytest.raises(ConversionRejected, match="Column mixed is of the type sparse_union"):
        made(pa.table({"mixed": UNION}), tmp_path)


def test_a_nul_character_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(ConversionRejected, match="Row 3 of column t holds a NUL character"):
        made(pa.table({"t": ["a", None, "a\0b"]}), tmp_path)


@pytest.mark.parametrize(
    "value", [*CORPUS, "=1+1", "&amp;", "a\r\nb\rc\n", "  two  blanks ", "<!-- x", '"><i>', "</tbody>\n"]
)
def test_markup_is_text_wherever_it_comes_from(value: str, tmp_path: Path) -> None:
    plain = made(pa.table({"v": ["x"], "w": [1]}), tmp_path, report(parameters={"p": 1}, notes=["n"]), subtitle="s")
    info = report(name=value, parameters={value: value}, notes=[value])
    page = made(pa.table({value: [value], "w": [1]}), tmp_path, info, subtitle=value)
    assert page.tables["rows"] == [[value, "w"], [value, "1"]]
    assert page.tables["facts"] == [[value, value]]
    assert page.words.count(value.replace("\r\n", "\n").replace("\r", "\n")) >= 4 or page.words.count(value) >= 4
    assert (page.tags, page.attributes) == (plain.tags, plain.attributes)


def test_nothing_is_loaded_and_nothing_runs(tmp_path: Path) -> None:
    page = made(pa.table({"v": ["x"]}), tmp_path, report(parameters={"p": 1}, notes=["n"]), subtitle="s")
    assert not page.tags & {"script", "link", "img", "iframe", "object", "form", "base"}
    assert not page.attributes & {"src", "href", "onload", "onclick", "action", "background"}
    text = (tmp_path / "report.html").read_text()
    assert "url(" not in text
    assert "@import" not in text


def test_numbers_are_right_aligned(tmp_path: Path) -> None:
    fields = [pa.field("i", pa.int8()), pa.field("s", pa.string()), pa.field("f", pa.float64()), decimal_text("d")]
    page = made(pa.table([[1], ["1"], [1.5], ["1.5"]], schema=pa.schema(fields)), tmp_path)
    assert page.alignments == ["right", None, "right", "right"]


def test_the_page_tells_title_times_parameters_rows_and_notes(tmp_path: Path) -> None:
    info = report(parameters={"From": date(2024, 1, 1), "Region": None}, notes=["Capped at 1,234 rows."])
    table = pa.table({"n": range(1_234)})
    page = made(table, tmp_path, info, title="Sales — Übersicht", subtitle="All regions")
    for words in (
        "Sales — Übersicht",
        "All regions",
        "2024-07-01 12:30 Europe/Berlin",
        "1,234 rows.",
        "Capped at 1,234 rows.",
    ):
        assert words in page.words
    assert page.tables["facts"] == [["From", "2024-01-01"], ["Region", ""]]
    assert "No rows." in made(table.slice(0, 0), tmp_path).words


def test_it_is_readable_in_the_dark(tmp_path: Path) -> None:
    made(pa.table({"n": [1]}), tmp_path)
    text = (tmp_path / "report.html").read_text()
    assert '<meta name="color-scheme" content="light dark">' in text
    assert "prefers-color-scheme:dark" in text


def test_null_can_look_otherwise(tmp_path: Path) -> None:
    made(pa.table({"v": [None, "n/a"]}), tmp_path, null_text="<n/a>")
    assert "<td><i>&lt;n/a&gt;</i></td>" in (tmp_path / "report.html").read_text()


def test_two_pages_in_one_file_are_damage(tmp_path: Path) -> None:
    made(pa.table({"v": ["x"]}), tmp_path)
    path = tmp_path / "report.html"
    path.write_bytes(path.read_bytes() * 2)
    with pytest.raises(ConversionRejected, match="damaged"):
        HtmlConverter(HtmlConfig()).count_rows(path, Control())
