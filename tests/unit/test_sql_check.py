"""The command answers for one statement or for many, and its exit code says the worst."""

from __future__ import annotations

import io
import json
import subprocess
import sys

from cli.sql_check import main_sql_check


def check(text: str, dialect: str = "postgres", as_json: bool = True, batch: bool = False) -> tuple[int, str]:
    answer = io.StringIO()
    return main_sql_check(dialect, as_json, batch, io.StringIO(text), answer), answer.getvalue()


def test_an_allowed_statement_ends_with_zero() -> None:
    code, answer = check("SELECT 1;\n")
    assert code == 0
    assert json.loads(answer) == {"id": None, "verdict": "allow", "reason": None, "line": None, "column": None}


def test_a_refused_statement_ends_with_one_and_its_place() -> None:
    code, answer = check("SELECT 1,\n  pg_sleep(9)")
    told = json.loads(answer)
    assert (code, told["verdict"], told["line"], told["column"]) == (1, "refuse", 2, 3)
    assert "pg_sleep" in told["reason"]


def test_people_get_a_sentence() -> None:
    assert check("SELECT 1", as_json=False) == (0, "allowed\n")
    code, answer = check("DROP TABLE x", as_json=False)
    assert code == 1
    assert answer.startswith("refused")


def test_an_unknown_dialect_ends_with_two_and_allows_nothing() -> None:
    code, answer = check("SELECT 1", dialect="cobol")
    assert (code, json.loads(answer)["verdict"]) == (2, "refuse")


def test_a_batch_is_answered_in_order_each_with_its_id_and_dialect() -> None:
    lines = [
        {"id": "a", "dialect": "mysql", "sql": "SELECT `x` FROM t"},
        {"id": 2, "sql": "SELECT x::date FROM t"},
        {"id": "c", "dialect": "sqlserver", "sql": "SELECT TOP 1 [x] FROM t SHUTDOWN"},
    ]
    code, answer = check("\n".join(map(json.dumps, lines)) + "\n\n", batch=True, as_json=False)
    told = [json.loads(line) for line in answer.splitlines()]
    assert [(item["id"], item["verdict"]) for item in told] == [("a", "allow"), (2, "allow"), ("c", "refuse")]
    assert code == 1


def test_a_line_that_cannot_be_understood_is_refused_and_the_rest_still_answered() -> None:
    text = """no json
[1]
{"id": 3, "sql": 5}
{"id": 4, "dialect": ["x"], "sql": "SELECT 1"}
{"id": 5, "sql": "SELECT 1"}
"""
    code, answer = check(text, batch=True)
    told = [json.loads(line) for line in answer.splitlines()]
    assert [item["verdict"] for item in told] == ["refuse", "refuse", "refuse", "refuse", "allow"]
    assert [item["id"] for item in told] == [None, None, 3, 4, 5]
    assert code == 2


def test_text_that_is_not_utf_8_ends_with_two() -> None:
    answer = io.StringIO()
    assert main_sql_check("mysql", True, False, io.TextIOWrapper(io.BytesIO(b"SELECT '\xff'"), "utf-8"), answer) == 2


def test_importing_the_command_loads_neither_parser_nor_services() -> None:
    code = (
        "import sys, cli.sql_check; print(sorted({'sqlglot', 'pydantic', 'sqlalchemy', 'fastapi'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_checking_loads_only_the_parser() -> None:
    code = (
        "import io, sys; from cli.sql_check import main_sql_check as m;"
        "m('mysql', True, False, io.StringIO('SELECT 1'), io.StringIO());"
        "print(sorted({'pydantic', 'sqlalchemy', 'fastapi', 'pyarrow'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
