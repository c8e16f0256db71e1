"""HTML pages of one table: for the browser and for mail, with nothing to load and nothing that runs."""

from __future__ import annotations

import html
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import BinaryIO, ClassVar

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from converters._blocks import Block, blocks, in_order
from converters._html_count import count_rows
from converters._html_page import head, tail
from converters._json_values import whole_values
from converters._misfits import MisfitError, located
from converters._rows import rows_of
from converters._texts import REPRESENTATIONS, TextStyle, check_types, is_number, plain, texts
from shared.plugins import Control, Converter, PluginConfig, ReportInfo
from shared.plugins.arrow_text import is_decimal_text, string_bytes

_TITLE = "HTML"
_MARKUP = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}


class HtmlConfig(PluginConfig):
    title: str | None = Field(None, title="Title", description="Title of the page; default: the report's name.")
    subtitle: str | None = Field(None, title="Subtitle", description="A line below the title.")
    null_text: str = Field(
        "–", title="NULL", description="What people see for NULL; it is set in grey italics, so no text looks like it."
    )


class HtmlConverter(Converter[HtmlConfig]):
    kind = "html"
    title = "HTML page"
    config_model = HtmlConfig
    extension = "html"
    media_type = "text/html"
    representations: ClassVar[Mapping[str, str]] = {
        **REPRESENTATIONS,
        "NULL": "`null_text` in grey italics (`<i>`)",
        "empty text": "an empty cell",
        "text": "as it is, markup escaped; a NUL character is rejected, naming row and column",
        "list": "JSON: `[1,2,null]`",
        "struct": 'JSON: `{"a":1}`; two fields of one name are rejected',
        "map": 'JSON: `{"key":1}`; a key that repeats is rejected',
    }

    def write(self, batches: pa.RecordBatchReader, sink: BinaryIO, info: ReportInfo, control: Control) -> int:
        check_types(batches.schema, _TITLE)
        columns = [(field.name, _is_number(field)) for field in batches.schema]
        sink.write(head(self.config.title or info.name, self.config.subtitle, info, columns).encode())
        row_count = 0
        null = f"<i>{html.escape(self.config.null_text)}</i>"
        for content, rows in in_order(blocks(batches, control), partial(_rows, timezone=info.timezone, null=null)):
            sink.write(content)
            row_count += rows
        sink.write(tail(row_count, info.notes).encode())
        return row_count

    def count_rows(self, path: Path, control: Control) -> int | None:
        return count_rows(path, control)


def _rows(block: Block, timezone: str, null: str) -> tuple[memoryview, int]:
    columns, before = [], []
    for field, array in zip(block.rows.schema, block.rows.columns, strict=True):
        with located(field.name, block.first_row, _TITLE):
            columns.append(_escaped(texts(plain(array), TextStyle(timezone), partial(_json, timezone=timezone))))
        before.append('</td><td align="right">' if _is_number(field) else "</td><td>")
    before[0] = before[0].replace("</td>", "<tr>")
    return rows_of(columns, [False] * len(columns), before, "</td></tr>\n", null), block.rows.num_rows


def _is_number(field: pa.Field) -> bool:
    return is_number(field.type) or is_decimal_text(field)


def _json(array: pa.Array, timezone: str) -> pa.Array:
    found = whole_values(array, timezone, "number")
    return pc.if_else(pc.is_valid(array), found, None) if array.null_count else found


def _escaped(cells: pa.Array) -> pa.Array:
    """Looks at the bytes first, so that ordinary text passes untouched."""
    raw = string_bytes(cells)
    if (raw == 0).any():
        index = pc.index(pc.fill_null(pc.match_substring(cells, "\0"), False), True).as_py()
        raise MisfitError(index, "a NUL character", "Replace it in the query.")
    for character, replacement in _MARKUP.items():
        if (raw == ord(character)).any():
            cells = pc.replace_substring(cells, character, replacement)
    return cells
