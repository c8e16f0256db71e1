"""NDJSON files: one JSON object to a line, for tools that read rows as a stream."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import BinaryIO, ClassVar

import pyarrow as pa

from converters._blocks import blocks, in_order
from converters._json_count import count_lines
from converters._json_rows import EXACT_NUMBERS, Shape, check_names, rows_as_json
from converters._json_values import JSON_REPRESENTATIONS, ExactNumbers
from converters._texts import check_types
from shared.plugins import Control, Converter, PluginConfig, ReportInfo

_TITLE = "NDJSON"


class NdjsonConfig(PluginConfig):
    exact_numbers: ExactNumbers = EXACT_NUMBERS


class NdjsonConverter(Converter[NdjsonConfig]):
    kind = "ndjson"
    title = "NDJSON (JSON lines)"
    config_model = NdjsonConfig
    extension = "ndjson"
    media_type = "application/x-ndjson"
    representations: ClassVar[Mapping[str, str]] = JSON_REPRESENTATIONS

    def write(self, batches: pa.RecordBatchReader, sink: BinaryIO, info: ReportInfo, control: Control) -> int:
        check_types(batches.schema, _TITLE)
        check_names(batches.schema, _TITLE, "Give each column its own name in the query.")
        shape = Shape(_TITLE, info.timezone, self.config.exact_numbers, "objects", after="\n")
        row_count = 0
        for content, rows in in_order(blocks(batches, control), partial(rows_as_json, shape=shape)):
            sink.write(content)
            row_count += rows
        if info.notes:
            info.warnings.append(f"The NDJSON file does not say: {' '.join(info.notes)}")
        return row_count

    def count_rows(self, path: Path, control: Control) -> int | None:
        return count_lines(path, control)
