"""JSON files: an array of objects, or one object with the report's facts, its columns, rows and notes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import BinaryIO, ClassVar, Literal

import pyarrow as pa
from pydantic import Field

from converters._blocks import blocks, in_order
from converters._json_count import count_items
from converters._json_rows import EXACT_NUMBERS, Shape, check_names, plain_json, rows_as_json
from converters._json_values import JSON_REPRESENTATIONS, ExactNumbers
from converters._texts import check_types
from shared.plugins import Control, Converter, PluginConfig, ReportInfo
from shared.plugins.arrow_text import is_decimal_text

_TITLE = "JSON"


class JsonConfig(PluginConfig):
    layout: Literal["objects", "table"] = Field(
        "objects",
        title="Layout",
        description="objects: an array with one object for each row. table: one object with report (name, times, "
        "parameters), columns (name, type), rows (an array for each), row_count and notes.",
    )
    exact_numbers: ExactNumbers = EXACT_NUMBERS


class JsonConverter(Converter[JsonConfig]):
    kind = "json"
    title = "JSON"
    config_model = JsonConfig
    extension = "json"
    media_type = "application/json"
    representations: ClassVar[Mapping[str, str]] = JSON_REPRESENTATIONS

    def write(self, batches: pa.RecordBatchReader, sink: BinaryIO, info: ReportInfo, control: Control) -> int:
        check_types(batches.schema, _TITLE)
        is_table = self.config.layout == "table"
        if not is_table:
            check_names(batches.schema, "a JSON object", "Rename one in the query, or choose the layout table.")
        kind: Literal["objects", "arrays"] = "arrays" if is_table else "objects"
        shape = Shape(_TITLE, info.timezone, self.config.exact_numbers, kind, before=",\n")
        sink.write((_head(batches.schema, info) if is_table else "[").encode())
        row_count = 0
        for content, rows in in_order(blocks(batches, control), partial(rows_as_json, shape=shape)):
            sink.write(content if row_count else content[1:])  # no comma before the first row
            row_count += rows
        sink.write((f"\n{_tail(row_count, info.notes)}\n" if is_table else "\n]\n").encode())
        if info.notes and not is_table:
            notes = " ".join(info.notes)
            info.warnings.append(f"The JSON file does not say: {notes} The layout table has room for it.")
        return row_count

    def count_rows(self, path: Path, control: Control) -> int | None:
        return count_items(path, "[" if self.config.layout == "table" else "{", control)


def _head(schema: pa.Schema, info: ReportInfo) -> str:
    report = {
        "name": info.name,
        "execution_id": info.execution_id,
        "scheduled_for": info.scheduled_for,
        "generated_at": info.generated_at,
        "timezone": info.timezone,
        "parameters": info.parameters,
    }
    columns = [
        {"name": field.name, "type": "decimal" if is_decimal_text(field) else str(field.type)} for field in schema
    ]
    return f'{{"report":{_dumps(plain_json(report))},\n"columns":{_dumps(columns)},\n"rows":['


def _tail(row_count: int, notes: list[str]) -> str:
    return f'],\n"row_count":{row_count},\n"notes":{_dumps(notes)}}}'


def _dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
