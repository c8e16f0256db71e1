"""Only one read-only statement passes the guard, whatever it is wrapped in."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from shared.sql import SqlPolicy, check_sql, find_parameters, refuse
from shared.sql.dialects import ALIASES, DIALECTS, allowed_functions

CORPORA = Path(__file__).parents[1] / "corpora"
CASES = json.loads((CORPORA / "sql_guard.json").read_text())["cases"]
LIMITS = json.loads((CORPORA / "sql_limits.json").read_text())["cases"]
FUNCTIONS = json.loads((CORPORA / "sql_functions.json").read_text())
NEVER = [(dialect, name) for dialect, names in FUNCTIONS["never"].items() if dialect != "why" for name in names]


def _sql(case: dict[str, Any]) -> str:
    sql = case["sql"]
    return sql["inside"].replace("@", sql["repeat"] * sql["times"]) if isinstance(sql, dict) else sql


ALLOWED = [case for case in CASES if case["verdict"] == "allow"]
REFUSED = [case for case in CASES if case["verdict"] == "refuse"]
# Not the empty ones, and no single words: in brackets such a word is a table's name.
HARMFUL = [case for case in REFUSED if len(_sql(case).split()) > 1 and not _sql(case).startswith("--")]
ONLY_ORDERS = SqlPolicy(tables=frozenset({"orders"}))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_the_corpus_is_allowed_or_refused(case: dict[str, Any]) -> None:
    verdict = check_sql(_sql(case), case["dialect"])
    assert verdict.allowed == (case["verdict"] == "allow"), verdict.reason
    assert verdict.allowed == (verdict.text is not None)
    assert verdict.allowed or verdict.reason


@pytest.mark.parametrize("case", LIMITS, ids=lambda case: case["id"])
def test_queries_that_only_limits_can_stop_are_left_to_the_connector(case: dict[str, Any]) -> None:
    assert check_sql(case["sql"], case["dialect"]).allowed


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(ALLOWED + REFUSED),
    st.sampled_from(["", "-- note\n", "/* a; b */ ", "\n\n", "\t", "/**/\n", "\r\n"]),
    st.sampled_from(["", "\n", " \n-- end", "\n/* x; DROP TABLE y */", " \t\n"]),
)
def test_comments_and_spaces_around_it_change_no_verdict(case: dict[str, Any], before: str, after: str) -> None:
    verdict = check_sql(f"{before}{_sql(case)}{after}", case["dialect"])
    assert verdict.allowed == (case["verdict"] == "allow"), verdict.reason


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(REFUSED), st.sampled_from([str.upper, str.lower, str.swapcase, str.title]))
def test_case_makes_nothing_harmful_allowed(case: dict[str, Any], change: Any) -> None:
    assert not check_sql(change(_sql(case)), case["dialect"]).allowed


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(HARMFUL), st.sampled_from(["SELECT 1; {}", "{}; SELECT 1", "SELECT * FROM ({}) x", "{} UNION {}"])
)
def test_nothing_harmful_is_allowed_beside_or_inside_something_harmless(case: dict[str, Any], around: str) -> None:
    assert not check_sql(around.replace("{}", _sql(case)), case["dialect"]).allowed


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=80), st.sampled_from(DIALECTS))
def test_no_text_makes_the_guard_raise(text: str, dialect: str) -> None:
    verdict = check_sql(text, dialect)
    assert verdict.allowed == (verdict.text is not None)


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_no_mixture_of_words_makes_the_guard_raise(data: st.DataObject) -> None:
    case = data.draw(st.sampled_from(CASES))
    words = [word for other in CASES if other["dialect"] == case["dialect"] for word in _sql(other).split()[:40]]
    text = " ".join(data.draw(st.lists(st.sampled_from(words), max_size=12)))
    assert isinstance(check_sql(f"SELECT {text}", case["dialect"]).allowed, bool)


@pytest.mark.parametrize(("dialect", "name"), NEVER)
def test_the_best_known_dangerous_functions_are_refused_in_every_form(dialect: str, name: str) -> None:
    quote = "`" if dialect in ("mysql", "clickhouse") else '"'
    for call in (name, name.upper(), f"{quote}{name}{quote}", f"pg_catalog.{name}", f"{name}/* */", f"{name} "):
        for query in ("SELECT {}('a')", "SELECT * FROM {}('a', 'b') AS x", "SELECT sum(1) FROM t HAVING {}(1) > 0"):
            assert not check_sql(query.format(call), dialect).allowed, query.format(call)


def test_the_function_lists_are_those_of_the_corpus() -> None:
    assert {dialect: allowed_functions(dialect) for dialect in DIALECTS} == {
        dialect: frozenset(names) for dialect, names in FUNCTIONS["allow"].items()
    }


def test_every_function_class_of_the_parser_was_reviewed() -> None:
    """Fails when a new sqlglot brings new classes: until they are on one of the lists, they are refused."""
    lists = json.loads((Path(__file__).parents[2] / "shared" / "sql" / "parser_functions.json").read_text())
    known: set[type] = set()
    waiting = [exp.Func]
    while waiting:
        found = set(waiting.pop().__subclasses__()) - known
        known |= found
        waiting += found
    assert {kind.__name__ for kind in known} - {"AggFunc"} <= {*lists["allow"], *lists["refuse"]}
    assert not set(lists["allow"]) & set(lists["refuse"])


@pytest.mark.parametrize(
    ("dialect", "sql"),
    [
        ("postgres", "WITH pg_shadow AS (SELECT * FROM pg_shadow) SELECT * FROM pg_shadow"),
        ("postgres", "SELECT * FROM pg_shadow WHERE 1 IN (WITH pg_shadow AS (SELECT 1) SELECT * FROM pg_shadow)"),
        ("postgres", 'WITH "PG_SHADOW" AS (SELECT 1) SELECT * FROM pg_shadow'),
        ("postgres", "WITH RECURSIVE a AS (SELECT * FROM pg_shadow), pg_shadow AS (SELECT 1) SELECT * FROM a"),
        ("postgres", "SELECT other.pg_catalog.lower('x')"),
        ("duckdb", "SELECT * FROM (SHOW TABLES)"),
        ("duckdb", "SELECT * FROM (LOAD 'x.duckdb_extension') AS x"),
        ("duckdb", "WITH RECURSIVE duckdb_logs AS (SELECT * FROM duckdb_logs) SELECT * FROM duckdb_logs"),
        ("sqlite", "SELECT 1 WHERE 'a' IN sqlite_master"),
        ("oracle", "SELECT (SELECT 1 FROM dual utl_inaddr), utl_inaddr.get_host_name FROM dual"),
        ("oracle", "SELECT sys.utl_inaddr.get_host_name FROM dual utl_inaddr"),
        ("tsql", "SELECT 1 FETCH c"),
        ("tsql", "SELECT a FROM t x SHUTDOWN"),
    ],
)
def test_a_name_hides_nothing(dialect: str, sql: str) -> None:
    assert not check_sql(sql, dialect).allowed


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM customers",
        "SELECT * FROM orders, customers",
        "WITH customers AS (SELECT * FROM customers) SELECT * FROM customers",
        "WITH c AS (SELECT 1 AS n) SELECT * FROM c JOIN customers ON true",
        "SELECT * FROM orders WHERE id IN (SELECT id FROM other.orders)",
        "SELECT (WITH customers AS (SELECT 1 AS n) SELECT n FROM customers), n FROM customers",
        "WITH customers AS (SELECT 1 AS n UNION ALL SELECT n FROM customers) SELECT * FROM customers",
        "TABLE customers",
    ],
)
def test_with_a_list_no_other_table_is_read(sql: str) -> None:
    assert not check_sql(sql, "postgres", ONLY_ORDERS).allowed


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM Orders AS o",
        "WITH recent AS (SELECT * FROM orders) SELECT * FROM recent UNION SELECT * FROM RECENT",
        "WITH a AS (SELECT * FROM orders), b AS (SELECT * FROM a) SELECT (SELECT max(id) FROM a) FROM b",
        "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n) SELECT * FROM n JOIN orders ON true",
    ],
)
def test_with_a_list_its_tables_and_the_queries_own_names_are_read(sql: str) -> None:
    verdict = check_sql(sql, "postgres", ONLY_ORDERS)
    assert verdict.allowed, verdict.reason


def test_a_policy_adds_functions() -> None:
    assert not check_sql("SELECT my_function(1)", "postgres").allowed
    assert check_sql("SELECT my_function(1)", "postgres", SqlPolicy(functions=frozenset({"My_Function"}))).allowed


def test_the_sent_text_keeps_positions_and_drops_comments() -> None:
    verdict = check_sql("SELECT 1 -- one\n /* two */ AS n;", "postgres")
    assert verdict.text == "SELECT 1       \n           AS n"


@pytest.mark.parametrize("case", ALLOWED, ids=lambda case: case["id"])
def test_the_sent_text_is_allowed_again_and_stays_as_it_is(case: dict[str, Any]) -> None:
    text = check_sql(_sql(case), case["dialect"]).text
    assert text is not None
    assert check_sql(text, case["dialect"]).text == text


def test_a_refusal_names_line_and_column() -> None:
    verdict = check_sql("SELECT id,\n       pg_read_file('/etc/passwd')\nFROM t", "postgres")
    assert (verdict.line, verdict.column) == (2, 8)
    assert "pg_read_file" in refuse(verdict).message
    assert (refuse(verdict).line, refuse(verdict).column) == (2, 8)
    broken = check_sql("SELECT id\nFROM t WHERE )", "mysql")
    assert (broken.line, broken.column) == (2, 14)


def test_the_parser_writes_no_query_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        assert not check_sql("GRANT ALL ON *.* TO my_secret", "mysql").allowed
    assert "my_secret" not in caplog.text


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT " + "(" * 5000 + "1" + ")" * 5000,
        "SELECT " + "CAST(" * 300 + "1" + " AS INT)" * 300,
        "SELECT " + "NOT " * 5000 + "1",
        "SELECT " + "- " * 5000 + "1",
        "SELECT " + "CASE WHEN " * 500 + "1" + " THEN 1 END" * 500,
        "SELECT 1" + " + 1" * 40_000,
        "SELECT '" + "a" * 200_000 + "'",
        "SELECT " + "/**/" * 60 + "{# #} 1",
        "SELECT " + " " * 60 + "{# #} 1",
        "SELECT '\ud800'",
    ],
    ids=["brackets", "casts", "nots", "minuses", "cases", "words", "length", "comments", "spaces", "surrogate"],
)
def test_what_would_hold_or_crash_the_parser_is_refused(dialect: str, sql: str) -> None:
    assert not check_sql(sql, dialect).allowed


def test_a_text_on_which_the_parser_works_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.sql.scanning._MAX_TYPE_DEPTH", 99)
    verdict = check_sql("SELECT " + "BINARY(" * 20 + "1" + ")" * 20, "mysql")
    assert verdict.reason == "it takes too long to read"
    assert verdict.line == 1


@pytest.mark.parametrize("dialect", DIALECTS)
def test_parameters_are_allowed_and_found_in_every_dialect(dialect: str) -> None:
    sql = "SELECT ':no' AS a, id FROM t WHERE day >= :since AND b IN (:ids) AND c=:low AND d < :since -- :nor"
    assert check_sql(sql, dialect).allowed
    assert find_parameters(sql, dialect) == ["since", "ids", "low"]


def test_casts_and_slices_are_no_parameters() -> None:
    sql = "SELECT x::date, :day AS d, a[1:n] FROM t WHERE b = :day AND e>:low"
    assert find_parameters(sql, "postgres") == ["day", "low"]


@pytest.mark.parametrize("alias", [*ALIASES, "PostgreSQL", " mysql "])
def test_aliases_of_dialects_are_known(alias: str) -> None:
    assert check_sql("SELECT 1", alias).allowed


def test_an_unknown_dialect_is_an_error_of_the_caller() -> None:
    with pytest.raises(ValueError, match="Unknown dialect"):
        check_sql("SELECT 1", "cobol")
