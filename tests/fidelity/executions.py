"""Whole executions as a worker process makes them, of a small datasource."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from execution_engine.orders import ExecutionOrder, ExecutionResult, FormatOrder, Limits, SourceOrder
from execution_engine.pipeline import run_execution
from shared.network import NetworkPolicy
from shared.plugins import Control, ReportInfo, load

FORMATS = ("csv", "html", "json", "ndjson", "xlsx", "pdf", "parquet")
ROWS = 5_000
_MOMENT = datetime(2024, 7, 1, 10, 30, tzinfo=UTC)


def execute(
    folder: Path,
    name: str,
    *,
    options: dict[str, Any] | None = None,
    row_limit: int | None = None,
    on_cap: str = "fail",
) -> ExecutionResult:
    """`id` and `name` of so many rows, in one format."""
    source, converter = load("connector", "sqlite"), load("converter", name)
    order = ExecutionOrder(
        source=SourceOrder("sqlite", source.config_model(path=str(_shop(folder)))),
        query="SELECT id, name FROM people ORDER BY id",
        params={},
        formats=(FormatOrder(name, converter.config_model(**(options or {}))),),
        info=ReportInfo("People", _MOMENT, _MOMENT, "Europe/Berlin"),
        workspace=folder,
        row_limit=row_limit,
        on_cap=on_cap,
        limits=Limits(60, 1_000),
        network=NetworkPolicy(),
    )
    return run_execution(order, Control())


def _shop(folder: Path) -> Path:
    path = folder / "shop.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE people (id INTEGER, name TEXT)")
    people = [(number, f"name{number}") for number in range(1, ROWS + 1)]
    connection.executemany("INSERT INTO people VALUES (?, ?)", people)
    connection.commit()
    connection.close()
    return path
