"""CSV files (RFC 4180), written by our own kernels: NULL is not the empty text, nothing is run, nothing is rounded."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Literal

import pyarrow as pa
from pydantic import Field, field_validator, model_validator

from converters._blocks import blocks, in_order
from converters._csv_count import count_records, tail
from converters._csv_encoding import Encoding, byte_order_mark, codec, encoded, encoded_text
from converters._csv_rows import TITLE, Dialect, record, records
from converters._moments import DATE_DIRECTIVES, MOMENT_DIRECTIVES, check_pattern
from converters._texts import REPRESENTATIONS, TextStyle, check_types
from shared.errors import ConversionRejected
from shared.plugins import Control, Converter, PluginConfig, ReportInfo

_ROWS = "# Rows: "
_LINE_ENDS = {"lf": "\n", "crlf": "\r\n"}
_PRESETS: Mapping[str, Mapping[str, Any]] = {
    "excel": {
        "delimiter": "\t",
        "encoding": "utf-16le",
        "line_end": "crlf",
        "datetime_format": "%Y-%m-%d %H:%M:%S",
    }
}


class CsvConfig(PluginConfig):
    preset: Literal["excel"] | None = Field(
        None,
        title="Preset",
        description="excel: what Excel opens right with a double click in every country: UTF-16 with a byte order "
        "mark, tabs, CRLF, moments without T and zone. Options that are given go first.",
    )
    delimiter: str = Field(
        ",", title="Delimiter", description="Between the fields.", examples=[";", "\t"], min_length=1, max_length=1
    )
    quote: Literal["minimal", "all"] = Field(
        "minimal",
        title="Quotes",
        description="minimal: around values that need them; all: around all values but NULL.",
    )
    encoding: Encoding = Field(
        "utf-8",
        title="Encoding",
        description="utf-8-sig and utf-16le begin with a byte order mark. A character that the encoding lacks stops "
        "the report, naming row and column.",
    )
    line_end: Literal["lf", "crlf"] = Field(
        "lf", title="Line end", description="lf: as Unix tools have it; crlf: as Windows and RFC 4180 have it."
    )
    decimal_separator: Literal[".", ","] = Field(
        ".", title="Decimal separator", description="In decimals and floats; not inside lists and structs."
    )
    null_text: str = Field(
        "",
        title="NULL",
        description="What stands for NULL, without quotes. A text that is the same stands in quotes: by default NULL "
        'is nothing and the empty text is "".',
        examples=["NULL", "\\N"],
        max_length=20,
    )
    date_format: str | None = Field(
        None,
        title="Date format",
        description="Pattern of dates; default: 2024-02-29. Known are %Y %y %m %d %j %%.",
        examples=["%d.%m.%Y"],
        max_length=50,
    )
    datetime_format: str | None = Field(
        None,
        title="Date and time format",
        description="Pattern of moments; default: ISO 8601 with the offset where there is a zone. Known are "
        "%Y %y %m %d %j %H %M %S %f (fraction of a second) %z (offset) %%; what a pattern leaves out is not written.",
        examples=["%Y-%m-%d %H:%M:%S"],
        max_length=50,
    )
    header: bool = Field(True, title="Header", description="The first line holds the names of the columns.")
    header_names: dict[str, str] = Field(
        {},
        title="Names in the header",
        description="Other names for columns: name in the query → name in the file.",
        examples=[{"cust_no": "Customer number"}],
    )
    formulas: Literal["escape", "keep"] = Field(
        "escape",
        title="Formulas",
        description="escape: an apostrophe goes before texts and names that a spreadsheet would run (=, +, -, @ and "
        "their full-width forms, tab and line break at the start; not plain numbers). keep: for feeds to machines.",
    )
    write_notes: bool = Field(
        False,
        title="Notes",
        description="A last line tells how many rows there are, and what else is to say: # Rows: 10. Capped at …",
    )

    @field_validator("delimiter")
    @classmethod
    def _is_no_part_of_values(cls, value: str) -> str:
        if not value.isascii() or value.isalnum() or value in "\"'\r\n\0 +-.:#":
            raise ValueError("A delimiter is an ASCII character such as , ; | or tab.")
        return value

    @field_validator("null_text")
    @classmethod
    def _needs_no_quotes(cls, value: str) -> str:
        if any(character in value for character in '"\r\n'):
            raise ValueError("The text for NULL has neither quotes nor line breaks.")
        return value

    @field_validator("date_format")
    @classmethod
    def _is_date_pattern(cls, value: str | None) -> str | None:
        return value if value is None else check_pattern(value, DATE_DIRECTIVES)

    @field_validator("datetime_format")
    @classmethod
    def _is_moment_pattern(cls, value: str | None) -> str | None:
        return value if value is None else check_pattern(value, MOMENT_DIRECTIVES)

    @model_validator(mode="after")
    def _can_be_read_back(self) -> CsvConfig:
        options = self.resolved()
        if options.delimiter == options.decimal_separator:
            raise ValueError("The delimiter and the decimal separator must differ.")
        if options.delimiter in options.null_text:
            raise ValueError("The text for NULL must not contain the delimiter.")
        return self

    def resolved(self) -> CsvConfig:
        """These options on top of the preset's."""
        preset = _PRESETS.get(self.preset or "", {})
        return self.model_copy(update={name: preset[name] for name in preset.keys() - self.model_fields_set})


class CsvConverter(Converter[CsvConfig]):
    kind = "csv"
    title = "CSV"
    config_model = CsvConfig
    extension = "csv"
    media_type = "text/csv"
    representations: ClassVar[Mapping[str, str]] = {
        **REPRESENTATIONS,
        "NULL": "nothing between the delimiters, or `null_text`; never in quotes. With one column it is an empty line",
        "empty text": '`""`, in quotes where `null_text` is nothing',
        "text": (
            "as it is, in quotes where it holds quotes, the delimiter or a line break; an apostrophe goes before what "
            "a spreadsheet would run, unless `formulas` is `keep`"
        ),
        "decimal": f"{REPRESENTATIONS['decimal']}; the point may be a comma (`decimal_separator`)",
        "date": "`2024-02-29` or `date_format`; years 1 to 9999, others are rejected",
        "timestamp": f"{REPRESENTATIONS['timestamp']}; or `datetime_format`",
        "timestamp with zone": f"{REPRESENTATIONS['timestamp with zone']}; or `datetime_format`, in that zone",
        "list": "JSON: `[1,2,null]`, with the values of the JSON format (`exact_numbers`: `number`)",
        "struct": 'JSON: `{"a":1}`; two fields of one name are rejected',
        "map": 'JSON: `{"key":1}`; a key that repeats is rejected',
    }

    def write(self, batches: pa.RecordBatchReader, sink: BinaryIO, info: ReportInfo, control: Control) -> int:
        options = self.config.resolved()
        check_types(batches.schema, TITLE)
        dialect = Dialect(
            delimiter=options.delimiter,
            line_end=_LINE_ENDS[options.line_end],
            quotes_all=options.quote == "all",
            decimal_separator=options.decimal_separator,
            null_text=options.null_text,
            escapes_formulas=options.formulas == "escape",
            style=TextStyle(info.timezone, options.date_format, options.datetime_format),
        )
        sink.write(byte_order_mark(options.encoding))
        escaped = 0
        if options.header:
            line, escaped = record(_header(batches.schema, options.header_names), dialect)
            sink.write(encoded_text(line, options.encoding, "The header"))
        row_count = 0
        for made in in_order(blocks(batches, control), partial(records, dialect=dialect)):
            sink.write(encoded(made, options.encoding))
            row_count += made.block.rows.num_rows
            escaped += made.escaped
        if options.write_notes:
            line = _last_line(row_count, info.notes, len(batches.schema), dialect)
            sink.write(encoded_text(line, options.encoding, "The note"))
        elif info.notes:
            info.warnings.append(f"The CSV file does not say: {' '.join(info.notes)} The option write_notes makes it.")
        if escaped:
            info.warnings.append(_escaped(escaped))
        return row_count

    def count_rows(self, path: Path, control: Control) -> int | None:
        options = self.config.resolved()
        codec_name = codec(options.encoding)
        found = count_records(path, codec_name, byte_order_mark(options.encoding), control)
        rows = found - options.header - options.write_notes
        if rows < 0 or (options.write_notes and _noted_rows(tail(path, codec_name)) != rows):
            raise ConversionRejected(f"{path.name} is damaged: its header or its last line is missing.")
        return rows


def _header(schema: pa.Schema, names: Mapping[str, str]) -> list[str]:
    unknown = sorted(names.keys() - set(schema.names))
    if unknown:
        raise ConversionRejected(
            f"There is no column {unknown[0]} to name otherwise in the header.",
            hint="Correct the header_names option of the format, or the query.",
        )
    return [names.get(name, name) for name in schema.names]


def _last_line(rows: int, notes: Sequence[str], columns: int, dialect: Dialect) -> str:
    """As many fields as the other records have; the first holds the words."""
    words = " ".join([f"{_ROWS}{rows}.", *notes])
    line, _ = record([words], dialect)
    return line.removesuffix(dialect.line_end) + dialect.delimiter * (columns - 1) + dialect.line_end


def _noted_rows(text: str) -> int | None:
    found = re.match(r"(\d+)\.", text[text.rfind(_ROWS) + len(_ROWS) :]) if _ROWS in text else None
    return int(found[1]) if found else None


def _escaped(count: int) -> str:
    what = "1 text" if count == 1 else f"{count:,} texts"
    return f"{what} that a spreadsheet would run got an apostrophe in the CSV file (option formulas)."
