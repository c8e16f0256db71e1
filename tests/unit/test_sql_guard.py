"""Only one read-only statement passes the guard, whatever it is wrapped in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.sql import SqlPolicy, check_sql, find_parameters, refuse

CORPUS = json.loads((Path(__file__).parents[1] / "corpora" / "sql_guard.json").read_text())["cases"]
HARMLESS = "SELECT id, 'a;--b' AS s FROM orders WHERE id IN (1, 2)"


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case["id"])
def test_the_corpus_is_allowed_or_refused(case: dict[str, Any]) -> None:
    sql = case["sql"]
    if isinstance(sql, dict):
        sql = sql["inside"].replace("@", sql["repeat"] * sql["times"])
    verdict = check_sql(sql, case["dialect"])
    assert verdict.allowed == (case["verdict"] == "allow"), verdict.reason
    assert verdict.allowed or verdict.reason


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(["mysql", "postgres", "sqlite", "duckdb", "tsql", "oracle"]),
    st.sampled_from(["", "-- note\n", "/* a; b */ ", "\n\n", "\t"]),
    st.sampled_from(["", ";", " ; ", "\n-- end", "/* x */"]),
    st.booleans(),
)
def test_comments_spaces_and_case_change_no_verdict(dialect: str, before: str, after: str, is_upper: bool) -> None:
    harmful = "delete from orders" if not is_upper else "DELETE FROM ORDERS"
    assert check_sql(f"{before}{HARMLESS}{after}", dialect).allowed
    assert not check_sql(f"{before}{harmful}{after}", dialect).allowed
    assert not check_sql(f"{before}{HARMLESS};{harmful}{after}", dialect).allowed


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=80), st.sampled_from(["mysql", "postgres", "sqlite", "duckdb", "tsql"]))
def test_no_text_makes_the_guard_raise(text: str, dialect: str) -> None:
    verdict = check_sql(text, dialect)
    assert verdict.allowed == (verdict.text is not None)


def test_the_sent_text_keeps_positions_and_drops_comments() -> None:
    verdict = check_sql("SELECT 1 -- one\n /* two */ AS n;", "postgres")
    assert verdict.text == "SELECT 1       \n           AS n"


def test_a_refusal_names_line_and_column() -> None:
    verdict = check_sql("SELECT id,\n       pg_read_file('/etc/passwd')\nFROM t", "postgres")
    assert (verdict.line, verdict.column) == (2, 8)
    assert "pg_read_file" in refuse(verdict).message


def test_deep_nesting_is_refused_before_parsing() -> None:
    assert not check_sql("SELECT " + "(" * 5000 + "1" + ")" * 5000, "mysql").allowed
    assert not check_sql("SELECT " + "CAST(" * 300 + "1" + " AS INT)" * 300, "mysql").allowed


def test_a_policy_adds_functions_and_limits_tables() -> None:
    assert not check_sql("SELECT my_function(1)", "postgres").allowed
    assert check_sql("SELECT my_function(1)", "postgres", SqlPolicy(functions=frozenset({"my_function"}))).allowed
    only_orders = SqlPolicy(tables=frozenset({"orders"}))
    assert check_sql("SELECT * FROM orders", "postgres", only_orders).allowed
    assert not check_sql("SELECT * FROM customers", "postgres", only_orders).allowed


def test_parameters_are_found_outside_strings_comments_and_casts() -> None:
    sql = "SELECT ':no' AS a, x::date, :day AS d -- :nor\nFROM t WHERE b = :day AND c IN (:ids) AND e>:low"
    assert find_parameters(sql, "postgres") == ["day", "ids", "low"]


def test_an_unknown_dialect_is_an_error_of_the_caller() -> None:
    with pytest.raises(ValueError, match="Unknown dialect"):
        check_sql("SELECT 1", "cobol")
