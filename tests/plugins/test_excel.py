"""Workbooks, read back by openpyxl, by calamine and as plain XML."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import openpyxl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from converters import _excel_book, _excel_zip
from converters.excel import ExcelConfig, ExcelConverter
from shared.errors import Cancelled, ConversionRejected
from shared.plugins import Control, ReportInfo
from shared.plugins.arrow_text import decimal_text

CORPUS = json.loads((Path(__file__).parents[1] / "corpora" / "formula_cells.json").read_text())["cases"]
MOMENT = datetime(2024, 7, 1, 10, 30, tzinfo=UTC)


class WriteOnly(io.RawIOBase):
    """A sink that can neither seek nor tell."""

    def __init__(self) -> None:
        self.content = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.content += data
        return len(data)


def report(**changes: Any) -> ReportInfo:
    facts: dict[str, Any] = {
        "name": "Sales",
        "scheduled_for": MOMENT,
        "generated_at": MOMENT,
        "timezone": "Europe/Berlin",
    }
    return ReportInfo(**facts | changes)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(table: pa.Table, config: ExcelConfig | None = None, info: ReportInfo | None = None) -> Path:
        sink = WriteOnly()
        converter = ExcelConverter(config or ExcelConfig())
        assert converter.write(table.to_reader(1000), sink, info or report(), Control()) == table.num_rows
        path = tmp_path / "report.xlsx"
        path.write_bytes(sink.content)
        assert converter.count_rows(path, Control()) == table.num_rows
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            for name in archive.namelist():
                ElementTree.fromstring(archive.read(name))
        return path

    return write


Write = Callable[..., Path]


def one_column(path: Path) -> list[Any]:
    return [row[0].value for row in openpyxl.load_workbook(path).worksheets[0].iter_rows(min_row=2)]


def calamine_column(path: Path) -> list[Any]:
    rows = CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python(skip_empty_area=False)
    return [row[0] for row in rows[1:]]


def test_ordinary_values_come_back_as_what_they_are(write: Write) -> None:
    table = pa.table(
        {
            "integer": [1, None, -5],
            "decimal": pa.array([Decimal("1.5000"), Decimal("-99999999.1234"), None], pa.decimal128(18, 4)),
            "float": [0.1, 1e300, None],
            "text": ["Müller & <Söhne>", "", None],
            "day": [date(2024, 2, 29), date(9999, 12, 31), None],
            "moment": [datetime(2024, 7, 1, 12, 30, 0, 123000), datetime(1999, 12, 31, 23, 59, 59), None],
            "clock": [time(23, 59, 59), time(0), None],
            "duration": [timedelta(hours=30), timedelta(0), None],
            "flag": [True, False, None],
        }
    )
    sheet = openpyxl.load_workbook(write(table)).worksheets[0]
    rows = [tuple(cell.value for cell in row) for row in sheet.iter_rows()]
    assert rows[0] == tuple(table.column_names)
    expected = [tuple(row.values()) for row in table.to_pylist()]
    assert rows[1][:4] == (1, 1.5, 0.1, "Müller & <Söhne>")
    assert rows[1][4:] == (datetime(2024, 2, 29), *expected[0][5:])
    assert rows[2][:4] == (None, -99999999.1234, 1e300, "")
    assert rows[2][4:7] == (datetime(9999, 12, 31), expected[1][5], time(0))
    assert rows[3] == (-5, *[None] * 8)
    formats = [sheet.cell(2, column).number_format for column in range(1, 9)]
    assert formats[0] == "0"
    assert formats[1] == "0.0000"
    assert formats[4:] == ["yyyy\\-mm\\-dd", "yyyy\\-mm\\-dd\\ hh:mm:ss.000", "hh:mm:ss", "[h]:mm:ss"]


@pytest.mark.parametrize("case", [case for case in CORPUS if case["type"] == "string"], ids=lambda case: case["id"])
def test_text_is_never_a_formula(case: dict[str, Any], write: Write) -> None:
    value = case["value"].encode("utf-8", "replace").decode()
    path = write(pa.table({value: [value]}))
    cells = [row[0] for row in openpyxl.load_workbook(path).worksheets[0].iter_rows()]
    if not any(ord(character) < 32 and character not in "\t\n\r" for character in value):
        assert [cell.value for cell in cells] == [value, value]
    assert {cell.data_type for cell in cells} == {"s"}
    assert calamine_column(path) == [value]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([10**15 - 1, 10**15, -(10**15)], [10**15 - 1, "1000000000000000", "-1000000000000000"]),
        ([2**60 + 1], ["1152921504606846977"]),
        (pa.array([2**64 - 1, 7], pa.uint64()), ["18446744073709551615", 7]),
        (pa.array([Decimal("0.12345678901234567890")], pa.decimal128(38, 20)), ["0.12345678901234567890"]),
        (pa.array([Decimal("0.5"), Decimal("100.25")], pa.decimal128(38, 20)), [0.5, 100.25]),
        (pa.array([Decimal("0.0000000012345678901234")], pa.decimal128(38, 22)), [1.2345678901234e-09]),
        (pa.array([Decimal("1234567890123456.7")], pa.decimal256(60, 1)), ["1234567890123456.7"]),
        ([float("nan"), float("inf"), float("-inf"), 2.5], ["NaN", "Infinity", "-Infinity", 2.5]),
        ([date(1900, 2, 28), date(1900, 3, 1), date(1800, 1, 1)], ["1900-02-28", datetime(1900, 3, 1), "1800-01-01"]),
        ([datetime(1850, 1, 1, 6, 30)], ["1850-01-01 06:30:00"]),
        ([timedelta(hours=-3, seconds=-5, milliseconds=-250)], ["-3:00:05.25"]),
        (pa.array([MOMENT], pa.timestamp("us", "UTC")), [datetime(2024, 7, 1, 12, 30)]),
        (pa.array([86_399], pa.time32("s")), [time(23, 59, 59)]),
        ([b"\x00\xff"], ["AP8="]),
        ([[1, None, 2]], ["[1,null,2]"]),
        ([{"a": Decimal("1.10"), "b": date(2024, 1, 1)}], ['{"a":1.10,"b":"2024-01-01"}']),
        (pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"]),
        (pa.array(["x", None], pa.large_string()), ["x", None]),
        (pa.array(["x", None], pa.string_view()), ["x", None]),
        (pa.nulls(2), [None, None]),
    ],
)
def test_awkward_values_are_exact(values: Any, expected: list[Any], write: Write) -> None:
    assert one_column(write(pa.table({"v": values, "beside": ["x"] * len(values)}))) == expected


def test_decimal_text_is_a_number_where_15_digits_suffice(write: Write) -> None:
    values = ["1.50", "-0.1", "12345678901234567.5", "NaN", None]
    table = pa.table([values, list("abcde")], schema=pa.schema([decimal_text("v"), pa.field("b", pa.string())]))
    assert one_column(write(table)) == [1.5, -0.1, "12345678901234567.5", "NaN", None]


def test_control_characters_come_back_from_their_escapes(write: Write) -> None:
    values = ["a\x00b\x1f", "_x0041_x0042_", "line\r\nline\rline\nline", "  \t space ", "]]>", "😀 שלום"]
    path = write(pa.table({"v": values}))
    assert calamine_column(path) == values
    assert one_column(path)[:2] == ["a_x0000_b_x001F_", "_x005F_x0041_x005F_x0042_"]
    assert one_column(path)[2:] == values[2:]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufffe\uffff")), min_size=1))
def test_any_text_comes_back(values: list[str]) -> None:
    sink = io.BytesIO()
    table = pa.table({"v": values, "beside": ["x"] * len(values)})
    ExcelConverter(ExcelConfig()).write(table.to_reader(), sink, report(), Control())
    sink.seek(0)
    sheet = CalamineWorkbook.from_filelike(sink).get_sheet_by_index(0)
    assert [row[0] for row in sheet.to_python()[1:]] == values


@pytest.mark.parametrize("character", ["x", "😀"])
def test_a_text_too_long_for_a_cell_is_rejected_by_row_and_column(character: str, write: Write) -> None:
    fits = character * (32_767 // (len(character.encode("utf-16-le")) // 2))
    assert one_column(write(pa.table({"memo": [fits]}))) == [fits]
    with pytest.raises(ConversionRejected, match="Row 1501 of column memo"):
        write(pa.table({"memo": ["x"] * 1500 + [fits + character]}))


def test_too_many_columns_are_rejected(write: Write) -> None:
    table = pa.Table.from_arrays([pa.array([1])] * 16_385, names=[f"c{index}" for index in range(16_385)])
    with pytest.raises(ConversionRejected, match="16,385 columns"):
        write(table)


def test_rows_beyond_the_limit_go_to_a_second_sheet(write: Write) -> None:
    count = 1_048_577
    path = write(pa.table({"n": pa.array(range(count), pa.int32())}), ExcelConfig(totals=["n"]))
    book = openpyxl.load_workbook(path, read_only=True)
    assert book.sheetnames == ["Sales", "Sales (2)"]
    book.close()
    first, second = (CalamineWorkbook.from_path(path).get_sheet_by_index(index).to_python() for index in (0, 1))
    assert len(first) == 1_048_576
    assert first[0] == second[0] == ["n"]
    assert [row[0] for row in first[1:]] + [row[0] for row in second[1:-1]] == list(range(count))
    assert second[-1] == [sum(range(count))]


def test_a_sheet_that_nears_4_gib_is_split(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_excel_book, "BYTE_LIMIT", 100_000)
    path = write(pa.table({"n": range(20_000)}))
    sheets = openpyxl.load_workbook(path).worksheets
    assert len(sheets) > 1
    assert [row[0] for sheet in sheets for row in sheet.iter_rows(min_row=2, values_only=True)] == list(range(20_000))


def test_an_archive_beyond_4_gib_gets_64_bit_records(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_excel_zip, "ZIP64_FROM", 500)
    assert one_column(write(pa.table({"n": [1, 2, 3]}))) == [1, 2, 3]


def test_totals_are_formulas_with_their_value(write: Write) -> None:
    table = pa.table(
        {
            "name": ["a", "b"],
            "amount": pa.array([Decimal("1.10"), Decimal("2.20")], pa.decimal128(18, 2)),
            "big": [2**60, 1],
        }
    )
    path = write(table, ExcelConfig(totals=["amount", "big"]))
    assert [cell.value for cell in openpyxl.load_workbook(path).active[4]] == ["Total", "=SUM(B2:B3)", str(2**60 + 1)]
    values = openpyxl.load_workbook(path, data_only=True).active
    assert [cell.value for cell in values[4]] == ["Total", 3.3, str(2**60 + 1)]
    assert values.auto_filter.ref == "A1:C3"
    assert values["B4"].font.b


def test_totals_of_text_count_as_no_data_row(write: Write) -> None:
    write(pa.table({"f": [float("nan"), 1.0]}), ExcelConfig(totals=["f"]))
    write(pa.table({"n": pa.array([], pa.int64())}), ExcelConfig(totals=["n"]))


@pytest.mark.parametrize(("column", "words"), [("nowhere", "no column nowhere"), ("name", "holds no numbers")])
def test_totals_of_what_cannot_be_summed_are_rejected(column: str, words: str, write: Write) -> None:
    with pytest.raises(ConversionRejected, match=words):
        write(pa.table({"name": ["a"]}), ExcelConfig(totals=[column]))


def test_the_look_of_a_sheet(write: Write) -> None:
    path = write(pa.table({"id": [1], "a long text": ["x" * 45]}))
    sheet = openpyxl.load_workbook(path).active
    assert sheet["A1"].font.b
    assert sheet["A1"].fill.fgColor.rgb == "FFD9E1F2"
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == "A1:B2"
    assert sheet.print_title_rows == "$1:$1"
    assert (sheet.page_setup.orientation, sheet.page_setup.fitToHeight) == ("landscape", 0)
    assert sheet.sheet_properties.pageSetUpPr.fitToPage
    assert sheet.column_dimensions["B"].width >= 45 > 10 >= sheet.column_dimensions["A"].width


def test_options_turn_things_off(write: Write) -> None:
    config = ExcelConfig(freeze_header=False, autofilter=False, sheet_name="Q1", orientation="portrait")
    sheet = openpyxl.load_workbook(write(pa.table({"id": [1]}), config)).active
    assert sheet.title == "Q1"
    assert sheet.freeze_panes is None
    assert sheet.auto_filter.ref is None
    assert sheet.page_setup.orientation == "portrait"


def test_notes_known_only_at_the_end_are_on_a_second_sheet(tmp_path: Path) -> None:
    info = report(parameters={"From": date(2024, 1, 1)})
    schema = pa.schema([("n", pa.int64())])

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch([[1, 2]], schema=schema)
        info.notes.append("Capped at 2 rows & more <exist>.")

    path = tmp_path / "report.xlsx"
    with path.open("wb") as sink:
        reader = pa.RecordBatchReader.from_batches(schema, batches())
        ExcelConverter(ExcelConfig(info_sheet=True)).write(reader, sink, info, Control())
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["Sales", "Notes", "Info"]
    assert [row[0].value for row in book["Notes"]] == ["Capped at 2 rows & more <exist>."]
    facts = {row[0].value: row[1].value for row in book["Info"]}
    assert facts["Scheduled for"] == "2024-07-01 12:30:00 Europe/Berlin"
    assert facts["From"] == "2024-01-01"
    assert facts["Rows"] == "2"
    assert ExcelConverter(ExcelConfig()).count_rows(path, Control()) == 2


def test_properties_of_the_document(write: Write) -> None:
    properties = openpyxl.load_workbook(
        write(pa.table({"n": [1]}), ExcelConfig(title="A & B", creator="Ann"))
    ).properties
    assert (properties.title, properties.creator) == ("A & B", "Ann")
    assert properties.created == datetime(2024, 7, 1, 10, 30)


@pytest.mark.parametrize("name", ["a/b:c*[d]?", "'quoted'", "History", "notes", "x" * 99, "😀" * 40, "", "  "])
def test_any_report_name_gives_a_sheet_name(name: str, write: Write) -> None:
    book = openpyxl.load_workbook(write(pa.table({"n": [1]}), info=report(name=name, notes=["n"])))
    assert len({title.casefold() for title in book.sheetnames}) == 2
    assert all(0 < len(title.encode("utf-16-le")) // 2 <= 31 for title in book.sheetnames)


def test_a_sheet_name_that_workbooks_refuse_is_refused() -> None:
    with pytest.raises(ValueError, match="sheet_name"):
        ExcelConfig(sheet_name="a/b")


@pytest.mark.parametrize("table", [pa.table({"n": pa.array([], pa.int64())}), pa.table({})])
def test_no_rows_and_no_columns_give_a_workbook(table: pa.Table, write: Write) -> None:
    assert openpyxl.load_workbook(write(table)).sheetnames == ["Sales"]


def test_equal_rows_give_equal_bytes(write: Write) -> None:
    table = pa.table({"n": range(20_000)})
    assert write(table).read_bytes() == write(table).read_bytes()


def test_a_damaged_workbook_is_rejected(write: Write, tmp_path: Path) -> None:
    content = write(pa.table({"n": range(5000)})).read_bytes()
    damaged = tmp_path / "damaged.xlsx"
    middle = content.index(b"xl/worksheets/sheet1.xml") + 4000
    for broken in (content[:-30], content[:middle] + b"\x00\xff" * 8 + content[middle + 16 :], b"", b"PK"):
        damaged.write_bytes(broken)
        with pytest.raises(ConversionRejected):
            ExcelConverter(ExcelConfig()).count_rows(damaged, Control())


def test_a_cancelled_conversion_stops() -> None:
    control = Control()
    control.cancel()
    with pytest.raises(Cancelled):
        ExcelConverter(ExcelConfig()).write(pa.table({"n": [1]}).to_reader(), io.BytesIO(), report(), control)
