"""CSV files, read back by Python's csv, by Arrow's reader and by DuckDB."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from converters.csv import CsvConfig, CsvConverter
from shared.errors import ConversionRejected
from shared.plugins import Control, Converter, ReportInfo
from shared.plugins.arrow_text import decimal_text
from tests.plugins.converter_contract import MOMENT, ConverterContract, WriteOnly, report, written
from tests.plugins.converter_values import UNION, Case, every_type, unrepresentable

CORPUS = json.loads((Path(__file__).parents[1] / "corpora" / "formula_cells.json").read_text())["cases"]


def arrow_rows(path: Path, null_text: str = "", delimiter: str = ",") -> list[list[str | None]]:
    """A reader that tells NULL from the empty text: what is quoted is no NULL."""
    first = next(csv.reader(io.StringIO(path.read_text(), newline=""), delimiter=delimiter))
    keys = [str(index) for index in range(len(first))]
    convert = arrow_csv.ConvertOptions(
        column_types=dict.fromkeys(keys, pa.string()),
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        null_values=[null_text],
    )
    parse = arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, ignore_empty_lines=False)
    table = arrow_csv.read_csv(path, arrow_csv.ReadOptions(column_names=keys), parse, convert)
    return [list(row.values()) for row in table.to_pylist()[1:]]


class TestCsvContract(ConverterContract):
    converter: ClassVar[Converter[Any]] = CsvConverter(CsvConfig())

    def cells(self, path: Path) -> list[list[str | None]]:
        return arrow_rows(path)


class TestExcelPresetContract(ConverterContract):
    converter: ClassVar[Converter[Any]] = CsvConverter(CsvConfig(preset="excel", null_text="NULL", write_notes=True))

    def cells(self, path: Path) -> list[list[str | None]]:
        text = path.read_bytes().decode("utf-16")
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter="\t", strict=True))
        return [[None if value == "NULL" else value for value in row] for row in rows[1:-1]]


def made(table: pa.Table, tmp_path: Path, info: ReportInfo | None = None, **options: Any) -> bytes:
    return written(CsvConverter(CsvConfig(**options)), table, tmp_path / "report.csv", info).read_bytes()


def records(content: bytes, encoding: str = "utf-8", **dialect: Any) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(encoding), newline=""), strict=True, **dialect))


@every_type
def test_every_type_has_one_text(case: Case, tmp_path: Path) -> None:
    table = pa.table({"id": range(len(case.array)), "value": case.array})
    path = written(CsvConverter(CsvConfig(formulas="keep")), table, tmp_path / "report.csv")
    assert [row[1] for row in arrow_rows(path)] == case.texts


@unrepresentable
def test_a_value_without_a_text_is_named_by_row_and_column(array: pa.Array, words: str, tmp_path: Path) -> None:
    table = pa.table({"when": pa.chunked_array([array.take(pa.array([0] * 10_000)), array])})
    with pytest.raises(ConversionRejected, match=f"Row 10,002 of column when holds {words}") as caught:
        made(table, tmp_path)
    assert caught.value.hint


def test_a_type_without_a_text_is_named_by_column(tmp_path: Path) -> None:
    with pytest.raises(ConversionRejected, match="Column mixed is of the type sparse_union"):
        made(pa.table({"mixed": UNION}), tmp_path)


def test_a_query_without_columns_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(ConversionRejected, match="no columns"):
        made(pa.table({}), tmp_path)


def test_numbers_dates_and_nulls_read_as_themselves_in_duckdb(tmp_path: Path) -> None:
    table = pa.table(
        {
            "n": pa.array([2**63 - 1, None]),
            "amount": pa.array([Decimal("-12345678901234.5678"), None], pa.decimal128(18, 4)),
            "at": pa.array([MOMENT.replace(microsecond=7), None], pa.timestamp("us", "UTC")),
            "day": pa.array([date(2024, 2, 29), None]),
            "text": ['a"b,\r\nc', ""],
        }
    )
    made(table, tmp_path)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        names = "{'n': 'BIGINT', 'amount': 'DECIMAL(18,4)', 'at': 'TIMESTAMPTZ', 'day': 'DATE', 'text': 'VARCHAR'}"
        found = connection.sql(f"FROM read_csv('{tmp_path}/report.csv', columns = {names}, allow_quoted_nulls = false)")
        assert found.to_arrow_table().to_pylist() == table.to_pylist()


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case["id"])
def test_what_a_spreadsheet_would_run_gets_an_apostrophe(case: dict[str, Any], tmp_path: Path) -> None:
    value = case["value"]
    if case["type"] == "column_name":
        table = pa.table({value: [1]})
        assert records(made(table, tmp_path))[0] == [case["csv_escape"]]
        assert records(made(table, tmp_path, formulas="keep"))[0] == [value]
        return
    if case["type"] == "date":
        value = date.fromisoformat(value)
    elif case["type"] == "float":
        value = float(value)
    elif case["type"] == "string":
        value = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # Arrow has no lone surrogates
    table = pa.table({"value": [value]})
    assert records(made(table, tmp_path))[1] == [case["csv_escape"]]
    if case["type"] == "string":
        assert records(made(table, tmp_path, formulas="keep"))[1] == [value]


@pytest.mark.parametrize("value", ["+1", "@a", "\t=1", "  +a", "\u200f=1", "\r=1", "\x00=1", "\u3000＝1", "-a", "- 1"])
def test_further_texts_get_an_apostrophe(value: str, tmp_path: Path) -> None:
    assert records(made(pa.table({"v": ["x", value]}), tmp_path))[2] == ["'" + value]


@pytest.mark.parametrize("value", ["-1", "-1.5e-7", "a=1", "é", "ひらがな", "'=1", "\u00a0a", " a", "Â", "1+1"])
def test_harmless_texts_stay_as_they_are(value: str, tmp_path: Path) -> None:
    info = report()
    assert records(made(pa.table({"v": ["x", value]}), tmp_path, info))[2] == [value]
    assert info.warnings == []


def test_numbers_are_never_escaped_and_base64_is(tmp_path: Path) -> None:
    fields = pa.schema([decimal_text("exact"), pa.field("bytes", pa.binary())])
    table = pa.table([["-Infinity", "-1.5"], [b"\xfb", b"a"]], schema=fields)
    assert records(made(table, tmp_path))[1:] == [["-Infinity", "'+w=="], ["-1.5", "YQ=="]]


def test_escaped_texts_are_counted_in_a_warning(tmp_path: Path) -> None:
    info = report()
    made(pa.table({"=h": ["=1", "a", None] * 4_000}), tmp_path, info)
    assert info.warnings == [
        "4,001 texts that a spreadsheet would run got an apostrophe in the CSV file (option formulas)."
    ]


def test_null_and_empty_text_by_default(tmp_path: Path) -> None:
    table = pa.table({"a": ["", None, "x"], "n": [1, None, 3]})
    assert made(table, tmp_path) == b'a,n\n"",1\n,\nx,3\n'


def test_text_that_looks_like_null_is_quoted(tmp_path: Path) -> None:
    table = pa.table({"a": ["", None, "NULL"], "x": [float("nan"), None, 1.0]})
    assert made(table, tmp_path, null_text="NULL") == b'a,x\n,NaN\nNULL,NULL\n"NULL",1\n'
    assert made(table, tmp_path, null_text="NaN") == b'a,x\n,"NaN"\nNaN,NaN\nNULL,1\n'


def test_all_values_but_null_are_quoted_when_asked(tmp_path: Path) -> None:
    table = pa.table({"a": ['q"', None, ""], "n": [1, None, 3], "ok": [True, False, True]})
    assert made(table, tmp_path, quote="all") == b'"a","n","ok"\n"q""","1","true"\n,,"false"\n"","3","true"\n'


def test_a_null_in_a_table_of_one_column_is_an_empty_line_and_a_row(tmp_path: Path) -> None:
    assert made(pa.table({"a": [None, "x", None]}), tmp_path) == b"a\n\nx\n\n"


def test_only_what_must_be_is_quoted(tmp_path: Path) -> None:
    values = ["plain", "a,b", 'say "x"', "line\nfeed", "carriage\rreturn", " blank ", "semi;colon", ""]
    content = made(pa.table({"v": values, "w": values[::-1]}), tmp_path)
    assert b'plain,""\n"a,b",semi;colon\n"say ""x""", blank \n' in content
    assert [row[0] for row in records(content)[1:]] == values


def test_duplicate_column_names_stay(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["id", "id"])
    assert made(table, tmp_path) == b"id,id\n1,2\n"


def test_header_names_and_no_header(tmp_path: Path) -> None:
    table = pa.table({"cust_no": [1], "x": [2]})
    assert made(table, tmp_path, header_names={"cust_no": "Customer, number"}) == b'"Customer, number",x\n1,2\n'
    assert made(table, tmp_path, header=False) == b"1,2\n"
    assert made(table.slice(1), tmp_path, header=False) == b""
    with pytest.raises(ConversionRejected, match="no column y"):
        made(table, tmp_path, header_names={"y": "z"})


def test_decimal_comma_in_numbers_only(tmp_path: Path) -> None:
    fields = [
        pa.field("d", pa.decimal128(5, 2)),
        pa.field("f", pa.float64()),
        decimal_text("t"),
        pa.field("s", pa.string()),
    ]
    table = pa.table([[Decimal("1.50")], [-0.25], ["1234.5"], ["1.5"]], schema=pa.schema(fields))
    content = made(table, tmp_path, decimal_separator=",", delimiter=";")
    assert content == b"d;f;t;s\n1,50;-0,25;1234,5;1.5\n"


def test_patterns_of_dates_and_moments(tmp_path: Path) -> None:
    moment = datetime(2024, 7, 1, 10, 5, 9, 12_000, tzinfo=UTC)
    table = pa.table({"d": [date(2024, 2, 29), None], "n": [moment.replace(tzinfo=None), None], "z": [moment, None]})
    content = made(
        table, tmp_path, date_format="%d.%m.%y, %j", datetime_format='%Y%m%d "%H"h%M:%S.%f %z%%', delimiter=";"
    )
    assert records(content, delimiter=";")[1] == [
        "29.02.24, 060",
        '20240701 "10"h05:09.012000 %',
        '20240701 "12"h05:09.012000 +02:00%',
    ]
    assert content.endswith(b"\n;;\n")


@pytest.mark.parametrize(
    ("encoding", "python", "text"),
    [
        ("utf-8-sig", "utf-8-sig", "Zürich 東京 👩"),
        ("utf-16le", "utf-16", "Zürich 東京 👩"),
        ("windows-1252", "cp1252", "Zürich €"),
        ("iso-8859-15", "iso8859-15", "Zürich €"),
        ("windows-1251", "cp1251", "Київ"),
        ("shift_jis", "shift_jis", "東京ソ"),
        ("gb18030", "gb18030", "Zürich 東京 👩"),
        ("big5", "big5", "功"),
        ("euc-kr", "euc-kr", "서울"),
    ],
)
def test_encodings_hold_every_character(encoding: Any, python: str, text: str, tmp_path: Path) -> None:
    table = pa.table({text: [text, None, f'"{text}",\n{text}'], "n": [1, 2, 3]})
    content = made(table, tmp_path, encoding=encoding, line_end="crlf")
    assert records(content, python) == [[text, "n"], [text, "1"], ["", "2"], [f'"{text}",\n{text}', "3"]]


def test_a_character_that_the_encoding_lacks_is_named_by_row_and_column(tmp_path: Path) -> None:
    table = pa.table({"a": ["x"] * 9_000, "place": ["Bern"] * 8_998 + ["Łódź", "Łuck"]})
    with pytest.raises(ConversionRejected, match=r"Row 8,999 of column place holds the character Ł \(U\+0141\)"):
        made(table, tmp_path, encoding="windows-1252")
    with pytest.raises(ConversionRejected, match="The header holds the character Ł"):
        made(pa.table({"Łódź": [1]}), tmp_path, encoding="windows-1252")


def test_preset_excel_and_options_on_top(tmp_path: Path) -> None:
    table = pa.table({"a": ["x;y\tz"], "at": [MOMENT.replace(microsecond=5)], "n": [1.5]})
    assert (
        made(table, tmp_path, preset="excel").decode("utf-16") == 'a\tat\tn\r\n"x;y\tz"\t2024-07-01 12:30:00\t1.5\r\n'
    )
    content = made(table, tmp_path, preset="excel", encoding="utf-8-sig", delimiter=";", decimal_separator=",")
    assert content == '\ufeffa;at;n\r\n"x;y\tz";2024-07-01 12:30:00;1,5\r\n'.encode()


def test_the_last_line_tells_rows_and_notes_known_only_at_the_end(tmp_path: Path) -> None:
    info = report()
    schema = pa.schema([pa.field("a", pa.string()), pa.field("b", pa.string())])

    def batches() -> Any:
        yield pa.record_batch([["# Rows: 7.", "y"], ["", None]], schema=schema)
        info.notes.append("Capped at 2 rows: the query gives more, see here.")

    converter = CsvConverter(CsvConfig(write_notes=True))
    sink = WriteOnly()
    assert converter.write(pa.RecordBatchReader.from_batches(schema, batches()), sink, info, Control()) == 2  # type: ignore[arg-type]
    path = tmp_path / "report.csv"
    path.write_bytes(sink.content)
    assert records(bytes(sink.content))[-1] == ["# Rows: 2. Capped at 2 rows: the query gives more, see here.", ""]
    assert converter.count_rows(path, Control()) == 2
    assert info.warnings == []
    path.write_bytes(sink.content[: sink.content.index(b'"# Rows: 2')])
    with pytest.raises(ConversionRejected, match="damaged"):
        converter.count_rows(path, Control())


def test_notes_that_the_file_does_not_hold_are_a_warning(tmp_path: Path) -> None:
    info = report(notes=["Capped at 1 rows: the query gives more."])
    assert made(pa.table({"a": [1]}), tmp_path, info) == b"a\n1\n"
    assert "Capped at 1 rows" in info.warnings[0]


@pytest.mark.parametrize(
    "options",
    [
        {"delimiter": '"'},
        {"delimiter": "\n"},
        {"delimiter": "x"},
        {"delimiter": "."},
        {"delimiter": ""},
        {"delimiter": "ü"},
        {"decimal_separator": ","},
        {"null_text": "a,b"},
        {"null_text": 'a"'},
        {"preset": "excel", "null_text": "a\tb"},
        {"date_format": "%H"},
        {"date_format": "year"},
        {"datetime_format": "%q"},
        {"datetime_format": "%Y%"},
        {"encoding": "ascii"},
        {"separator": ";"},
    ],
)
def test_options_that_could_not_be_read_back_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CsvConfig.model_validate(options)


_TEXT = st.text(
    st.one_of(
        st.sampled_from(list("\"',;\t\r\n|=+-@ #NUL.é東👩\ufeff")),
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    ),
    max_size=12,
)
_ROWS = st.lists(st.tuples(st.none() | _TEXT, st.none() | _TEXT, st.none() | st.integers(-9, 9)), max_size=30)


@settings(max_examples=100, deadline=None)
@given(
    rows=_ROWS,
    names=st.tuples(_TEXT, _TEXT, _TEXT),
    delimiter=st.sampled_from([",", ";", "\t", "|", "~", "_"]),
    quote=st.sampled_from(["minimal", "all"]),
    line_end=st.sampled_from(["lf", "crlf"]),
    null_text=st.sampled_from(["", "NULL", "\\N", "-"]),
    batch_rows=st.integers(1, 7),
)
def test_any_text_comes_back(
    rows: list[Any],
    names: tuple[str, ...],
    delimiter: str,
    quote: Any,
    line_end: Any,
    null_text: str,
    batch_rows: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    columns = list(zip(*rows, strict=True)) or [[], [], []]
    kinds = [pa.string(), pa.string(), pa.int64()]
    table = pa.Table.from_arrays([pa.array(c, k) for c, k in zip(columns, kinds, strict=True)], names=list(names))
    options = CsvConfig(
        delimiter=delimiter, quote=quote, line_end=line_end, null_text=null_text, formulas="keep", header=True
    )
    written(CsvConverter(options), table, path, batch_rows=batch_rows)
    found = records(path.read_bytes(), delimiter=delimiter)
    assert found == [list(names), *[[null_text if v is None else str(v) for v in row] for row in rows]]
    if rows:
        null_kept = [["" if v is None else "v" for v in row] for row in arrow_rows(path, null_text, delimiter)]
        assert null_kept == [["" if v is None else "v" for v in row] for row in rows]
