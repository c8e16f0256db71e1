"""Totals of numeric columns, exact: integers and decimals are summed as such, block by block."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Context, Decimal, InvalidOperation
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from shared.errors import ConversionRejected
from shared.plugins.arrow_text import is_decimal_text

Number = int | float | Decimal
_EXACT = Context(prec=200)
_INT64 = 2**63


def totaled_columns(schema: pa.Schema, names: Sequence[str]) -> list[int]:
    """The indices of the columns to total.

    Raises:
        ConversionRejected: there is no such column, or it holds no numbers.
    """
    indices = []
    for name in names:
        found = schema.get_all_field_indices(name)
        if not found:
            raise ConversionRejected(
                f"There is no column {name} to total.", hint="Correct the totals option of the format, or the query."
            )
        if not _is_numeric(schema.field(found[0])):
            raise ConversionRejected(
                f"Column {name} cannot be totaled: it holds no numbers.", hint="Leave it out of the totals option."
            )
        indices.append(found[0])
    return indices


def _is_numeric(field: pa.Field) -> bool:
    kind = field.type
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or is_decimal_text(field))


def sum_of(array: pa.Array) -> Number:
    """The sum of a block of a column, without overflow."""
    kind = array.type
    if types.is_floating(kind):
        return math.fsum(pc.drop_null(array).to_pylist())
    if types.is_decimal(kind):
        total = pc.sum(array.cast(pa.decimal256(76, kind.scale)))
        return Decimal(0) if total.as_py() is None else total.as_py()
    if types.is_integer(kind):
        bounds = pc.min_max(array).as_py()
        if bounds["min"] is None:
            return 0
        if max(-bounds["min"], bounds["max"]) * len(array) < _INT64:
            return int(pc.sum(array).as_py())
        return int(sum(pc.drop_null(array).to_pylist()))
    return _sum_of_texts(pc.drop_null(array).to_pylist())


def _sum_of_texts(texts: list[str]) -> Decimal:
    total = Decimal(0)
    for text in texts:
        try:
            total = _EXACT.add(total, Decimal(text))
        except InvalidOperation:
            return Decimal("NaN")
    return total


def add(first: Number, second: Number) -> Number:
    if isinstance(first, Decimal) or isinstance(second, Decimal):
        return _EXACT.add(Decimal(first), Decimal(second))
    total: Any = first + second
    return total  # type: ignore[no-any-return]


def total_text(total: Number) -> str:
    """The total as a plain number; NaN and infinities by name."""
    if isinstance(total, float):
        if not math.isfinite(total):
            return "NaN" if math.isnan(total) else "Infinity" if total > 0 else "-Infinity"
        return repr(total)
    return format(total, "f") if isinstance(total, Decimal) else str(total)
