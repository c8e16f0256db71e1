"""What the command line prints: tables for people, JSON for scripts, errors as sentences on standard error."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from shared.errors import ReportHubError

FAILED, USAGE = 1, 2
out = Console(soft_wrap=True)
err = Console(stderr=True, soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table that stays plain when it goes into a pipe."""
    if not out.is_terminal:
        for row in (columns, *rows):
            sys.stdout.write("\t".join("" if cell is None else str(cell) for cell in row) + "\n")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    out.print(table, markup=False)


@contextlib.contextmanager
def errors_as_sentences(as_json: bool = False) -> Iterator[None]:
    """Our errors end the program with status 1 and a sentence, or with the error envelope as JSON."""
    try:
        yield
    except ReportHubError as error:
        print_error(error, as_json)
        raise typer.Exit(FAILED) from None


def print_error(error: ReportHubError, as_json: bool = False) -> None:
    stored = error.as_dict()
    if as_json:
        said = {"message": error.message, "error": error.code, "hint": error.hint}
        print_json({"status": "error", **said, "details": stored.get("details", [])})
        return
    err.print(f"[bold red]{error.code}[/] ", end="")
    err.print(error.message, markup=False)
    for problem in error.details:
        if error.message.rstrip(".") in (f"{problem.field}: {problem.message}", f"{problem.field} {problem.message}"):
            continue  # the sentence has said it
        err.print(f"  {problem.field}: {problem.message}", markup=False)
    if error.hint:
        err.print(f"  {error.hint}", markup=False)


def row_count(rows: int) -> str:
    return f"{rows:,} row{'' if rows == 1 else 's'}"


def human_size(size: int) -> str:
    """Bytes in the unit that people would choose: 893 KB, 18.9 MB."""
    value = float(size)
    for unit in ("B", "KB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"
