"""Whole blocks of rows as JSON objects or arrays, one row to a line."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
from pydantic import Field

from converters._blocks import Block
from converters._json_values import ExactNumbers, json_values
from converters._misfits import located
from converters._rows import rows_of
from shared.errors import ConversionRejected
from shared.plugins.arrow_text import is_decimal_text

EXACT_NUMBERS: Any = Field(
    "safe",
    title="Exact numbers",
    description="safe: numbers that many readers would round (integers beyond 2^53, decimals of more than 15 digits) "
    "are text; number: all are numbers, for readers that keep them; text: decimals and 64-bit integers are text.",
)


@dataclass(frozen=True, slots=True)
class Shape:
    """How a row is written: `objects` name their columns, arrays do not. `before` and `after` stand around each."""

    title: str
    timezone: str
    exact: ExactNumbers
    kind: Literal["objects", "arrays"]
    before: str = ""
    after: str = ""


def rows_as_json(block: Block, shape: Shape) -> tuple[memoryview, int]:
    """The bytes of the block's rows, and how many there are."""
    is_object = shape.kind == "objects"
    columns, before = [], []
    for field, array in zip(block.rows.schema, block.rows.columns, strict=True):
        with located(field.name, block.first_row, shape.title):
            columns.append(json_values(array, shape.timezone, shape.exact, is_decimal_text(field)))
        before.append(f",{json.dumps(field.name, ensure_ascii=False)}:" if is_object else ",")
    before[0] = shape.before + ("{" if is_object else "[") + before[0][1:]
    closing = ("}" if is_object else "]") + shape.after
    texts, quoted = [values.texts for values in columns], [values.quoted for values in columns]
    return rows_of(texts, quoted, before, closing, "null"), block.rows.num_rows


def check_names(schema: pa.Schema, title: str, hint: str) -> None:
    """Raise ConversionRejected where two columns have one name, for an object keeps one of them only."""
    seen: set[str] = set()
    for name in schema.names:
        if name in seen:
            raise ConversionRejected(f"Two columns have the name {name}; {title} would keep one of them.", hint=hint)
        seen.add(name)


def plain_json(value: Any) -> Any:
    """What a report says about itself (parameters, times), as JSON can hold it."""
    if isinstance(value, Mapping):
        return {str(key): plain_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain_json(item) for item in value]
    if value is None or isinstance(value, (bool, int, str)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
