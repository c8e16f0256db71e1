"""`report-hub sql-check`: the guard for the shell and for CI. Reads SQL, opens no connection."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TextIO

ALLOWED, REFUSED, USAGE = 0, 1, 2
_Answer = dict[str, Any]


def main_sql_check(dialect: str, as_json: bool, batch: bool, stdin: TextIO, stdout: TextIO) -> int:
    """Check one statement, or with `batch` one JSON object a line: `{"id", "dialect", "sql"}`.

    Batch answers are always JSON, one line each, in the same order; a line without a dialect has the given one.

    Returns:
        0 if all are allowed, 1 if one is refused, 2 if one cannot be understood (its verdict is `refuse`, too).
    """
    try:
        results = _lines(dialect, stdin) if batch else iter([_judge(None, dialect, stdin.read())])
        worst = ALLOWED
        for code, answer in results:
            worst = max(worst, code)
            print(json.dumps(answer) if as_json or batch else _sentence(answer), file=stdout, flush=True)
    except UnicodeDecodeError:
        print("The input is not UTF-8 text.", file=stdout)
        return USAGE
    return worst


def _lines(dialect: str, stdin: TextIO) -> Iterator[tuple[int, _Answer]]:
    for number, line in enumerate(stdin, start=1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
        except (ValueError, RecursionError):
            item = None
        if not isinstance(item, dict) or not isinstance(item.get("sql"), str):
            found = item.get("id") if isinstance(item, dict) else None
            yield USAGE, _refused(found, f'input line {number} is not a JSON object {{"id", "dialect", "sql"}}')
        else:
            yield _judge(item.get("id"), item.get("dialect") or dialect, item["sql"])


def _judge(identifier: Any, dialect: Any, sql: str) -> tuple[int, _Answer]:
    from shared.sql import check_sql  # here: the parser takes most of the start

    try:
        verdict = check_sql(sql, str(dialect))
    except ValueError as error:
        return USAGE, _refused(identifier, str(error))
    if verdict.allowed:
        return ALLOWED, {"id": identifier, "verdict": "allow", "reason": None, "line": None, "column": None}
    return REFUSED, _refused(identifier, verdict.reason, verdict.line, verdict.column)


def _refused(identifier: Any, reason: str | None, line: int | None = None, column: int | None = None) -> _Answer:
    return {"id": identifier, "verdict": "refuse", "reason": reason, "line": line, "column": column}


def _sentence(answer: _Answer) -> str:
    if answer["verdict"] == "allow":
        return "allowed"
    place = f" (line {answer['line']}, column {answer['column']})" if answer["line"] else ""
    return f"refused{place}: {answer['reason']}"
