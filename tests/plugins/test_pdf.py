"""PDF files, read back by pypdf and by our own count of rows."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from converters.pdf import PdfConfig, PdfConverter
from shared.errors import Cancelled, ConversionRejected
from shared.plugins import Control, ReportInfo
from shared.plugins.arrow_text import decimal_text

CORPUS = json.loads((Path(__file__).parents[1] / "corpora" / "formula_cells.json").read_text())
MOMENT = datetime(2024, 7, 1, 10, 30, tzinfo=UTC)
LONG = "the quick brown fox jumps over the lazy dog and runs away "


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
    times = {"scheduled_for": MOMENT, "generated_at": MOMENT, "timezone": "Europe/Berlin"}
    return ReportInfo(**{"name": "Sales", **times, **changes})


Write = Callable[..., PdfReader]


@pytest.fixture
def write(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Write]:
    def write(table: pa.Table, config: PdfConfig | None = None, info: ReportInfo | None = None) -> PdfReader:
        sink = WriteOnly()
        converter = PdfConverter(config or PdfConfig())
        assert converter.write(table.to_reader(1000), sink, info or report(), Control()) == table.num_rows
        path = tmp_path / "report.pdf"
        path.write_bytes(sink.content)
        assert converter.count_rows(path, Control()) == table.num_rows
        return PdfReader(io.BytesIO(sink.content), strict=True)

    with caplog.at_level(logging.WARNING, "pypdf"):
        yield write
    assert [record.message for record in caplog.records if record.name.startswith("pypdf")] == []


def text_of(reader: PdfReader) -> str:
    return "\n".join(page.extract_text() for page in reader.pages)


def squeezed(text: str) -> str:
    """Without white space: breaking lines may drop or add some."""
    return re.sub(r"\s+", "", text)


def test_every_value_is_in_the_text(write: Write) -> None:
    table = pa.table(
        {
            "integer": [1, 2**60 + 1, -5],
            "decimal": pa.array([Decimal("1.5000"), Decimal("-99999999.1234"), None], pa.decimal128(18, 4)),
            "float": [0.1, float("nan"), 1e300],
            "text": ["Müller & <Söhne>", "", "ŁódźЖΩ"],
            "day": [date(2024, 2, 29), date(1800, 1, 1), None],
            "moment": pa.array([MOMENT, MOMENT.replace(microsecond=123), None], pa.timestamp("us", "UTC")),
            "clock": [time(23, 59, 59), None, time(1)],
            "duration": [timedelta(hours=30), timedelta(hours=-1, seconds=-2), None],
            "flag": [True, False, None],
            "list": [[1, 2], None, []],
            "bytes": [b"\x00\xff", None, b"a"],
            "same": pa.array(["x", "y", "x"]).dictionary_encode(),
        }
    )
    words = text_of(write(table)).split()
    expected = "1 1.5000 0.1 2024-02-29 2024-07-01 12:30:00 12:30:00.000123 23:59:59 30:00:00 true [1,2] AP8= x"
    expected += (
        " 1152921504606846977 -99999999.1234 NaN 1800-01-01 -1:00:02 false -5 1e+300 Müller <Söhne> ŁódźЖΩ 1:00:00"
    )
    missing = [word for word in expected.replace(" 1:00:00", " 01:00:00").split() if word not in words]
    assert missing == []
    assert set(table.column_names) <= set(words)


@pytest.mark.parametrize("value", CORPUS["html_and_pdf"])
def test_markup_is_text(value: str, write: Write) -> None:
    assert squeezed(value) in squeezed(text_of(write(pa.table({"v": [value], value: [1]}))))


def test_rows_go_on_over_pages_with_header_and_page_numbers(write: Write) -> None:
    count = 1_000
    reader = write(pa.table({"number": range(count), "name": [f"name{index}" for index in range(count)]}))
    pages = [page.extract_text() for page in reader.pages]
    assert len(pages) > 10
    for number, page in enumerate(pages, 1):
        assert page.count("number") == 1
        assert f"Page {number} of {len(pages)}" in " ".join(page.split())
    assert re.findall(r"\bname\d+\b", "\n".join(pages)) == [f"name{index}" for index in range(count)]


def test_long_text_is_wrapped_and_nothing_is_cut(write: Write) -> None:
    texts = [LONG * count for count in (1, 30, 3)] + ["x" * 3_000, "line one\r\nline two\rline three\n\nline five"]
    table = pa.table({"id": range(5), "a": texts, "b": texts[::-1]})
    words = squeezed(text_of(write(table)))
    assert words.count("thequickbrownfox") == 2 * 34
    assert words.count("x") == 2 * 3_000 + 2 * 34
    assert words.count("lineone") == words.count("linethree") == words.count("linefive") == 2


def test_a_row_higher_than_a_page_goes_on_and_counts_once(write: Write) -> None:
    words = [f"word{index}" for index in range(4_000)]
    reader = write(pa.table({"id": [1, 2, 3], "memo": ["short", " ".join(words), "last"]}))
    assert len(reader.pages) > 2
    assert re.findall(r"word\d+", text_of(reader)) == words


@pytest.mark.parametrize(
    ("columns", "option", "expected"),
    [(2, "auto", "portrait"), (14, "auto", "landscape"), (2, "landscape", "landscape"), (14, "portrait", "portrait")],
)
def test_orientation(columns: int, option: Any, expected: str, write: Write) -> None:
    table = pa.table({f"column {index}": ["some words"] for index in range(columns)})
    box = write(table, PdfConfig(orientation=option)).pages[0].mediabox
    assert (box.width > box.height) is (expected == "landscape")
    assert {float(box.width), float(box.height)} == {595.28, 841.89}


def test_letter_paper(write: Write) -> None:
    box = write(pa.table({"n": [1]}), PdfConfig(page_size="letter")).pages[0].mediabox
    assert (box.width, box.height) == (612, 792)


def test_text_stays_within_the_margins(write: Write) -> None:
    table = pa.table({f"c{index}": [LONG, "x" * 100, str(2**62)] for index in range(9)} | {"n": [2**62] * 3})
    places: list[float] = []

    def see(text: str, cm: list[float], tm: list[float], *_: Any) -> None:
        # pypdf gives places inside of forms (header, page count) without the page's scale.
        if text.strip() and cm[0] == 0.01:
            places.append(cm[0] * tm[4] + cm[4])

    page = write(table).pages[0]
    page.extract_text(visitor_text=see)
    assert min(places) >= 35
    assert max(places) <= float(page.mediabox.width) - 36


def test_more_columns_than_a_page_holds_are_rejected(write: Write) -> None:
    with pytest.raises(ConversionRejected, match="99 columns"):
        write(pa.table({f"c{index}": [1] for index in range(99)}))


def test_title_block_times_and_parameters(write: Write) -> None:
    info = report(parameters={"From": date(2024, 1, 1), "Region": None})
    reader = write(pa.table({"n": [1]}), PdfConfig(title="Sales — Übersicht", subtitle="All regions"), info)
    text = reader.pages[0].extract_text()
    for words in ("Sales — Übersicht", "All regions", "2024-07-01 12:30 Europe/Berlin", "From: 2024-01-01", "Region:"):
        assert words in text
    assert reader.metadata is not None
    assert (reader.metadata.title, reader.metadata.creator) == ("Sales — Übersicht", "Report Hub")
    assert reader.metadata.creation_date == MOMENT


def test_totals_and_notes_known_only_at_the_end(tmp_path: Path) -> None:
    schema = pa.schema([pa.field("name", pa.string()), pa.field("amount", pa.int64()), decimal_text("exact")])
    info = report()

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch([["a", "b"], [2**62, 2**62], ["0.1", "0.2"]], schema=schema)
        info.notes.append("Capped at 2 rows.")

    path = tmp_path / "report.pdf"
    with path.open("wb") as sink:
        reader = pa.RecordBatchReader.from_batches(schema, batches())
        PdfConverter(PdfConfig(totals=["amount", "exact"])).write(reader, sink, info, Control())
    words = text_of(PdfReader(path))
    assert "Capped at 2 rows." in words
    assert "Total" in words
    assert str(2**63) in squeezed(words)
    assert "0.3" in words
    assert PdfConverter(PdfConfig()).count_rows(path, Control()) == 2


def test_arabic_is_shaped_and_runs_right_to_left(write: Write) -> None:
    info = report()
    reader = write(pa.table({"n": [1, 2], "v": ["مرحبا", "שלום abc"]}), info=info)
    text = text_of(reader)
    assert "مرحبا" in text
    assert "abc" in text
    assert "שלום" in text
    assert info.warnings == []


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=5))
def test_any_text_can_be_written(values: list[str]) -> None:
    sink = io.BytesIO()
    table = pa.table({values[0]: values, "n": range(len(values))})
    PdfConverter(PdfConfig()).write(table.to_reader(), sink, report(name=values[-1]), Control())
    assert len(PdfReader(sink).pages) >= 1


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text("abc xyz-äöü€\u00a0Ω", min_size=1, max_size=400), min_size=1, max_size=4))
def test_any_latin_or_greek_text_comes_back(values: list[str]) -> None:
    sink = io.BytesIO()
    PdfConverter(PdfConfig()).write(pa.table({"v": values}).to_reader(), sink, report(), Control())
    assert squeezed("".join(values)) in squeezed(text_of(PdfReader(sink)).split("Page 1 of")[0])


def test_a_text_too_long_to_print_is_rejected_by_row_and_column(write: Write) -> None:
    with pytest.raises(ConversionRejected, match="Row 1501 of column memo"):
        write(pa.table({"memo": ["x"] * 1500 + ["x" * 1_000_001]}))


@pytest.mark.parametrize("table", [pa.table({"n": pa.array([], pa.int64())}), pa.table({})])
def test_no_rows_and_no_columns_give_a_document(table: pa.Table, write: Write) -> None:
    assert "No rows." in text_of(write(table, PdfConfig()))


def test_equal_rows_give_equal_bytes() -> None:
    table = pa.table({"n": range(5_000), "t": [f"{LONG}{index} 😀𝔸" for index in range(5_000)]})
    first, second = WriteOnly(), WriteOnly()
    for sink in (first, second):
        PdfConverter(PdfConfig()).write(table.to_reader(500), sink, report(), Control())
    assert first.content == second.content


def test_a_damaged_document_is_rejected(tmp_path: Path) -> None:
    sink = WriteOnly()
    PdfConverter(PdfConfig()).write(pa.table({"n": range(500)}).to_reader(), sink, report(), Control())
    content = bytes(sink.content)
    page = content.index(b"stream\n", content.index(b"/Length", content.index(b"/Type/Page/"))) + 200
    path = tmp_path / "damaged.pdf"
    for broken in (content[:-20], content[:page] + b"\x00\xff" * 9 + content[page + 18 :], content[500:], b""):
        path.write_bytes(broken)
        with pytest.raises(ConversionRejected):
            PdfConverter(PdfConfig()).count_rows(path, Control())


def test_a_cancelled_conversion_stops() -> None:
    control = Control()
    control.cancel()
    with pytest.raises(Cancelled):
        PdfConverter(PdfConfig()).write(pa.table({"n": [1]}).to_reader(), io.BytesIO(), report(), control)
