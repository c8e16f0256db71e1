"""Excel workbooks (.xlsx), written by our own kernels: real numbers, dates and times, nothing lost, nothing run.

What a spreadsheet cannot hold as a number stays exact as text: integers and decimals beyond 15 digits, dates before
1900-03-01 (ISO), NaN and infinities, negative durations. Times with a zone are written as wall time in the report's
time zone. Text is never a formula. NULL is an empty cell; an empty string is a cell with an empty text.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, ClassVar, Literal
from zoneinfo import ZoneInfo

import pyarrow as pa
from pydantic import Field, field_validator

from converters import _excel_parts as parts
from converters._excel_book import COLUMN_LIMIT, THREADS, DataSheets, blocks
from converters._excel_cells import LONGEST_TEXT
from converters._excel_count import count_rows
from converters._excel_sheet import TITLE, SheetOptions, Table, text_sheet
from converters._excel_styles import Style, Styles
from converters._excel_totals import totaled_columns
from converters._excel_zip import ZipStream
from converters._texts import reject_unknown_types
from shared.errors import ConversionRejected
from shared.plugins import Control, Converter, PluginConfig, ReportInfo


class ExcelConfig(PluginConfig):
    title: str | None = Field(
        None, title="Title", description="Title in the document's properties and the print header; default: the name."
    )
    sheet_name: str | None = Field(
        None,
        title="Sheet name",
        description="Name of the sheet with the rows; default: the report's name, cut to 31 characters.",
        examples=["Sales"],
        min_length=1,
        max_length=parts.LONGEST_NAME,
    )
    freeze_header: bool = Field(True, title="Freeze header", description="The header stays in sight when scrolling.")
    autofilter: bool = Field(True, title="Filter buttons", description="Each column of the header gets a filter.")
    totals: list[str] = Field(
        [], title="Totals", description="Columns whose sums appear in a last row.", examples=[["amount", "quantity"]]
    )
    info_sheet: bool = Field(
        False, title="Info sheet", description="A further sheet names the report, its times, parameters and notes."
    )
    orientation: Literal["landscape", "portrait"] = Field(
        "landscape", title="Orientation", description="How the sheets print; they are fitted to the page's width."
    )
    page_size: Literal["A4", "letter"] = Field("A4", title="Paper", description="Paper to print on.")
    creator: str = Field("Report Hub", title="Author", description="Author in the document's properties.")

    @field_validator("sheet_name")
    @classmethod
    def _is_accepted_by_workbooks(cls, value: str | None) -> str | None:
        if value is not None and parts.sheet_name(value) != value:
            raise ValueError("A sheet's name has at most 31 characters, none of []:*?/\\ and no ' at its ends.")
        return value


class ExcelConverter(Converter[ExcelConfig]):
    kind = "excel"
    title = "Excel workbook"
    config_model = ExcelConfig
    extension = "xlsx"
    media_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    representations: ClassVar[Mapping[str, str]] = {
        "NULL": "an empty cell",
        "empty text": "a cell with an empty text",
        "text": (
            "text, never a formula or a link; beyond 32,767 characters rejected, naming row and column; control "
            "characters as the format demands (`_x0001_`), which some readers show as such"
        ),
        "boolean": "a truth value",
        "integer": "a number; beyond 15 digits text, for a spreadsheet would round it",
        "decimal": "a number shown with its scale; beyond 15 significant digits text",
        "decimal text": "a number; beyond 15 significant digits text",
        "float": "a number; whether zero is negative is lost",
        "NaN and infinity": "the texts `NaN`, `Infinity`, `-Infinity`",
        "date": "a date; before 1900-03-01 text: `1850-01-01`; years 1 to 9999, others are rejected",
        "time": "a time, shown to the second",
        "timestamp": (
            "a date with time, shown to the millisecond and kept to the microsecond until 2079, to 40 µs until 9999; "
            "before 1900-03-01 and in the last microsecond text: `1850-01-01 06:30:00`, with all digits of its unit "
            "where there is a fraction; years 1 to 9999, others are rejected"
        ),
        "timestamp with zone": "wall time in the report's time zone, like a timestamp",
        "duration": "a duration (`[h]:mm:ss`); a negative one is text",
        "interval": "ISO 8601 as text: `P1Y2M3DT4H5M6.500S`",
        "binary": "Base64 as text",
        "UUID": "text: `01234567-89ab-cdef-0123-456789abcdef`",
        "list": "JSON as text: `[1,2,null]`, with the values of the JSON format (`exact_numbers`: `number`)",
        "struct": 'JSON as text: `{"a":1}`; two fields of one name are rejected',
        "map": 'JSON as text: `{"key":1}`; a key that repeats is rejected',
        "dictionary": "the value that it stands for",
        "other": "rejected, naming the column",
    }

    def write(self, batches: pa.RecordBatchReader, sink: BinaryIO, info: ReportInfo, control: Control) -> int:
        if len(batches.schema) > COLUMN_LIMIT:
            raise ConversionRejected(
                f"The report has {len(batches.schema):,} columns; a sheet of a workbook holds {COLUMN_LIMIT:,}.",
                hint="Select fewer columns, or choose another format.",
            )
        reject_unknown_types(batches.schema, TITLE)
        totaled = totaled_columns(batches.schema, self.config.totals)
        title = self.config.title or info.name
        stream = blocks(batches, control)
        first = next(stream, None)
        sample = first if first is not None else pa.RecordBatch.from_pylist([], schema=batches.schema)
        styles = Styles()
        table = Table(sample, self._sheet_options(title), info.timezone, totaled, styles)
        archive = ZipStream(sink)
        archive.add("[Content_Types].xml", parts.content_types())
        archive.add("_rels/.rels", parts.package_relations())
        archive.add("docProps/core.xml", parts.properties(title, self.config.creator, info.generated_at))
        with ThreadPoolExecutor(THREADS) as pool:
            data = DataSheets(archive, table, parts.sheet_name(self.config.sheet_name or info.name), pool)
            for block in itertools.chain([] if first is None else [first], stream):
                data.write(block)
            data.finish(totaled)
        sheets = [*data.sheets]
        self._add_texts(archive, sheets, styles, info, data.rows)
        archive.add("xl/styles.xml", styles.xml())
        archive.add("xl/workbook.xml", parts.workbook(sheets, computes=bool(totaled)))
        archive.add("xl/_rels/workbook.xml.rels", parts.workbook_relations(sheets))
        archive.close()
        return data.rows

    def count_rows(self, path: Path, control: Control) -> int | None:
        return count_rows(path, control)

    def _sheet_options(self, title: str) -> SheetOptions:
        config = self.config
        return SheetOptions(config.freeze_header, config.autofilter, config.orientation, config.page_size, title)

    def _add_texts(
        self, archive: ZipStream, sheets: list[parts.Sheet], styles: Styles, info: ReportInfo, rows: int
    ) -> None:
        """The sheets Notes, when there are any, and Info, when it is wished."""
        bold, wrapped = styles.attribute(Style(is_bold=True)), styles.attribute(Style(wraps=True))
        if info.notes:
            name = parts.sheet_name("Notes", [sheet.name for sheet in sheets])
            sheets.append(parts.Sheet(name, "xl/worksheets/notes.xml"))
            notes = [[note[:LONGEST_TEXT]] for note in info.notes]
            archive.add(sheets[-1].part, text_sheet(notes, [100], wrapped, wrapped))
        if self.config.info_sheet:
            name = parts.sheet_name("Info", [sheet.name for sheet in sheets])
            sheets.append(parts.Sheet(name, "xl/worksheets/info.xml"))
            lines = [[label, text[:LONGEST_TEXT]] for label, text in self._facts(info, rows)]
            archive.add(sheets[-1].part, text_sheet(lines, [24, 80], bold, wrapped))

    def _facts(self, info: ReportInfo, rows: int) -> list[tuple[str, str]]:
        facts = [
            ("Report", info.name),
            ("Title", self.config.title or ""),
            ("Scheduled for", _wall_time(info.scheduled_for, info.timezone)),
            ("Generated at", _wall_time(info.generated_at, info.timezone)),
            ("Rows", str(rows)),
            ("Execution", info.execution_id),
            *((label, "" if value is None else str(value)) for label, value in info.parameters.items()),
            *(("Note", note) for note in info.notes),
        ]
        return [(label, text) for label, text in facts if text or label in info.parameters]


def _wall_time(moment: datetime, timezone: str) -> str:
    return f"{moment.astimezone(ZoneInfo(timezone)):%Y-%m-%d %H:%M:%S} {timezone}"
