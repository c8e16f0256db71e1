"""Runs inside a worker process: quick questions to a datasource (check, tables, preview)."""

from __future__ import annotations

import base64
import time
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from decimal import Decimal
from typing import Any

import pyarrow as pa

from execution_engine.orders import CheckSourceOrder, PreviewOrder, TablesOrder
from execution_engine.pipeline import guarded_text
from shared.plugins import Control, Query, Table, load, require_drivers

_CELL = 2000
"""Characters of a text cell that a preview shows."""
_SAFE_INTEGER = 2**53


def check_source(order: CheckSourceOrder, control: Control) -> dict[str, Any]:
    """Product, version and how long it took."""
    connector = load("connector", order.source.kind)
    require_drivers(connector)
    started = time.perf_counter()
    product = connector(order.source.config).check(control)
    return {"server": product, "seconds": round(time.perf_counter() - started, 3)}


def list_tables(order: TablesOrder, control: Control) -> list[Table]:
    connector = load("connector", order.source.kind)
    require_drivers(connector)
    return connector(order.source.config).tables(control)


def preview(order: PreviewOrder, control: Control) -> dict[str, Any]:
    """`{columns: [{name, type}], rows: [[…]], truncated, sql, seconds}`; values are JSON, exact ones as text."""
    connector = load("connector", order.source.kind)
    require_drivers(connector)
    text = guarded_text(order.query, connector.capabilities.dialect)
    started = time.perf_counter()
    rows: list[list[Any]] = []
    query = Query(text, order.params, batch_rows=max(1, min(order.rows + 1, 1024)))
    with connector(order.source.config).stream(query, control) as reader:
        columns = [{"name": column.name, "type": str(column.type)} for column in reader.schema]
        if order.rows:
            rows = _first_rows(reader, order.rows + 1, control)
    return {
        "columns": columns,
        "rows": rows[: order.rows],
        "truncated": len(rows) > order.rows,
        "sql": text,
        "seconds": round(time.perf_counter() - started, 3),
    }


def _first_rows(reader: pa.RecordBatchReader, count: int, control: Control) -> list[list[Any]]:
    rows: list[list[Any]] = []
    for batch in reader:
        control.check()
        columns = [column.to_pylist() for column in batch.slice(0, count - len(rows)).columns]
        rows += [[_json_value(value) for value in row] for row in zip(*columns, strict=True)]
        if len(rows) >= count:
            break
    return rows


def _json_value(value: Any) -> Any:
    """A JSON value; what JSON's readers would round or refuse becomes text."""
    match value:
        case None | bool():
            return value
        case int():
            return value if abs(value) <= _SAFE_INTEGER else str(value)
        case float():
            return value if value == value and abs(value) != float("inf") else str(value)
        case str():
            return value if len(value) <= _CELL else value[:_CELL] + "…"
        case bytes():
            return base64.b64encode(value[:_CELL]).decode()
        case datetime() | date() | time_of_day():
            return value.isoformat()
        case Decimal() | timedelta():
            return str(value)
        case list() | tuple():
            return [_json_value(item) for item in value]
        case dict():
            return {str(key): _json_value(item) for key, item in value.items()}
        case _:
            return str(value)
