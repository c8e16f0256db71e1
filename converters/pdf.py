"""PDF documents, written by our own kernels: a table that wraps instead of cutting, in embedded fonts.

DejaVu Sans (Latin, Greek, Cyrillic, Armenian, Georgian, Hebrew, Arabic …) comes along; other scripts are drawn with
fonts of the machine, shaped where they need it. Characters for which there is no font appear as boxes, can still be
copied, and are reported. Times with a zone are shown as wall time in the report's time zone.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Literal
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from converters._excel_totals import Number, add, sum_of, total_text, totaled_columns
from converters._misfits import located
from converters._pdf_count import count_rows
from converters._pdf_document import Document, Properties
from converters._pdf_font import Font, typeface
from converters._pdf_scripts import missing_glyphs, region_of
from converters._pdf_shaping import Shaper
from converters._pdf_text import is_number, is_solid, texts
from converters._pdf_widths import TableSample, choose_page
from converters._texts import reject_unknown_types
from shared.errors import ConversionRejected
from shared.plugins import Control, Converter, PluginConfig, ReportInfo

_TITLE = "PDF"
_THREADS = 2
_SAMPLE = 2_000
_BLOCK_ROWS, _BLOCK_CELLS, _BLOCK_BYTES = 4_096, 65_536, 1 << 20
_LONGEST_TEXT = 1_000_000


class PdfConfig(PluginConfig):
    title: str | None = Field(None, title="Title", description="Title on the first page; default: the report's name.")
    subtitle: str | None = Field(None, title="Subtitle", description="A line below the title.")
    orientation: Literal["auto", "portrait", "landscape"] = Field(
        "auto", title="Orientation", description="auto: portrait where the table fits, else landscape."
    )
    page_size: Literal["A4", "letter"] = Field("A4", title="Paper", description="Size of the pages.")
    totals: list[str] = Field(
        [], title="Totals", description="Columns whose sums appear in a last row.", examples=[["amount", "quantity"]]
    )
    ideographs: Literal["auto", "japanese", "korean", "simplified", "traditional"] = Field(
        "auto",
        title="Ideographs",
        description="Which shapes Chinese characters have; auto: Japanese beside kana, Korean beside hangul, "
        "else simplified Chinese. What it can do depends on the machine's fonts.",
    )
    creator: str = Field("Report Hub", title="Author", description="Creator in the document's properties.")


class PdfConverter(Converter[PdfConfig]):
    kind = "pdf"
    title = "PDF document"
    config_model = PdfConfig
    drivers = ("uharfbuzz", "bidi")
    extension = "pdf"
    media_type = "application/pdf"
    representations: ClassVar[Mapping[str, str]] = {
        "NULL": "nothing, like the empty text",
        "empty text": "nothing, like NULL",
        "text": "as it is, in lines, shaped and in both directions; characters for which the machine has no font are "
        "boxes that can be copied, and a warning names them",
        "boolean": "`true` or `false`",
        "integer": "all digits",
        "decimal": "all digits of its scale, never an exponent: `1.5000`",
        "decimal text": "as the datasource gives it: a number with any count of digits",
        "float": "the shortest number that reads back as the same: `0.1`, `1e+300`",
        "NaN and infinity": "`NaN`, `Infinity`, `-Infinity`",
        "date": "`2024-02-29`; years 1 to 9999, others are rejected",
        "time": "`23:59:59`, with all digits of its unit where there is a fraction: `23:59:59.500000`",
        "timestamp": (
            "`2024-07-01 12:30:00`, with all digits of its unit where there is a fraction; years 1 to 9999, others are "
            "rejected"
        ),
        "timestamp with zone": "wall time in the report's time zone, like a timestamp",
        "duration": "hours, minutes, seconds: `30:00:00`, `-0:00:01.5`",
        "interval": "ISO 8601: `P1Y2M3DT4H5M6.500S`",
        "binary": "Base64",
        "UUID": "`01234567-89ab-cdef-0123-456789abcdef`",
        "list": "JSON: `[1,2,null]`, with the values of the JSON format (`exact_numbers`: `number`)",
        "struct": 'JSON: `{"a":1}`; two fields of one name are rejected',
        "map": 'JSON: `{"key":1}`; a key that repeats is rejected',
        "dictionary": "the value that it stands for",
        "other": "rejected, naming the column",
    }

    def write(self, batches: pa.RecordBatchReader, sink: BinaryIO, info: ReportInfo, control: Control) -> int:
        schema, config = batches.schema, self.config
        reject_unknown_types(schema, _TITLE)
        totaled = totaled_columns(schema, config.totals)
        sums: list[Number] = [0] * len(totaled)
        blocks = _blocks(batches, control)
        first = next(blocks, None)
        numeric = [is_number(field) for field in schema]
        sample = pa.RecordBatch.from_pylist([], schema=schema) if first is None else first.slice(0, _SAMPLE)
        columns = _texts(sample, info.timezone, 1)
        table = TableSample(schema.names, columns, [is_solid(field) for field in schema], totaled)
        region = region_of(columns) if config.ideographs == "auto" else config.ideographs
        regular, bold = Font(typeface(is_bold=False), "F1", region), Font(typeface(is_bold=True), "F2", region)
        shapers = (Shaper(regular), Shaper(bold))
        page = choose_page(table, shapers, config.orientation, config.page_size)
        title = config.title or info.name
        row_count = 0
        with ThreadPoolExecutor(_THREADS) as pool:
            properties = Properties(title, config.creator, info.generated_at)
            document = Document(sink, page, shapers, properties, numeric, pool)
            self._write_title(document, title, info)
            document.begin_table(schema.names)
            for block in itertools.chain([] if first is None else [first], blocks):
                columns = _texts(block, info.timezone, row_count + 1, pool.map)
                _reject_long_text(columns, schema.names, row_count + 1)
                if columns:
                    document.rows(columns, row_count)
                sums = [add(total, sum_of(block.column(index))) for total, index in zip(sums, totaled, strict=True)]
                row_count += block.num_rows
            if totaled:
                document.total(_total_cells(schema, dict(zip(totaled, sums, strict=True))))
            document.end_table()
            _write_notes(document, info.notes, row_count)
            missing = document.finish()
        if missing:
            info.warnings.append(missing_glyphs(missing))
        return row_count

    def count_rows(self, path: Path, control: Control) -> int | None:
        return count_rows(path, control)

    def _write_title(self, document: Document, title: str, info: ReportInfo) -> None:
        document.paragraphs([title], 1_400, is_bold=True)
        if self.config.subtitle:
            document.paragraphs([self.config.subtitle], 1_000)
        document.skip(200)
        facts = [f"{label}: {'' if value is None else value}" for label, value in info.parameters.items()]
        moment = _wall_time(info.scheduled_for, info.timezone)
        document.paragraphs(["   ·   ".join([moment, *facts])], 800, is_grey=True)
        document.skip(600)


def _blocks(batches: pa.RecordBatchReader, control: Control) -> Iterator[pa.RecordBatch]:
    """The batches in pieces small enough to be laid out at once."""
    written = 0
    for batch in batches:
        rows = min(_BLOCK_ROWS, _BLOCK_CELLS // max(1, batch.num_columns))
        if batch.num_rows:
            rows = max(1, min(rows, batch.num_rows * _BLOCK_BYTES // max(1, batch.nbytes)))
        for start in range(0, batch.num_rows, rows):
            control.check()
            yield batch.slice(start, rows)
        written += batch.num_rows
        control.report("convert", written)


def _texts(block: pa.RecordBatch, timezone: str, first_row: int, apply: Callable[..., Any] = map) -> list[pa.Array]:
    """All columns as text. `apply` is map, or that of a pool."""

    def text(field: pa.Field, column: pa.Array) -> pa.Array:
        with located(field.name, first_row, _TITLE):
            return texts(column, timezone)

    return list(apply(text, block.schema, block.columns))


def _reject_long_text(columns: list[pa.Array], names: list[str], first_row: int) -> None:
    for name, column in zip(names, columns, strict=True):
        lengths = pc.binary_length(column)
        if (pc.max(lengths).as_py() or 0) > _LONGEST_TEXT:
            row = first_row + pc.index(pc.greater(lengths, _LONGEST_TEXT), True).as_py()
            raise ConversionRejected(
                f"Row {row} of column {name} holds a text of more than {_LONGEST_TEXT:,} bytes, too long to print.",
                hint="Shorten it in the query, or choose another format.",
            )


def _total_cells(schema: pa.Schema, totals: dict[int, Number]) -> list[str]:
    cells = ["" for _ in schema]
    for index, total in totals.items():
        cells[index] = total_text(total)
    if 0 not in totals:
        cells[0] = "Total"
    return cells


def _write_notes(document: Document, notes: list[str], row_count: int) -> None:
    if row_count == 0:
        document.skip(600)
        document.paragraphs(["No rows."], 800, is_grey=True)
    if notes:
        document.skip(1_000)
        document.paragraphs(["Notes"], 900, is_bold=True)
        document.paragraphs(notes, 800)


def _wall_time(moment: datetime, timezone: str) -> str:
    return f"{moment.astimezone(ZoneInfo(timezone)):%Y-%m-%d %H:%M} {timezone}"
