"""The builder's specs become SQL that passes the guard in every dialect."""

from __future__ import annotations

import sqlite3
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import InvalidInput
from shared.query_spec import compile_query_spec
from shared.sql import check_sql, find_parameters
from shared.sql.dialects import DIALECTS
from shared.sql.scanning import INVISIBLE

FULL: dict[str, Any] = {
    "table": "sales.orders",
    "fields": [
        {"column": "region"},
        {"column": "amount", "aggregate": "sum", "alias": "revenue"},
        {"column": "*", "aggregate": "count"},
        {"column": "customer", "aggregate": "count_distinct"},
    ],
    "filters": [
        {"column": "day", "op": ">=", "parameter": "since"},
        {"column": "region", "op": "in", "value": ["EU", "O'Neil", "back\\slash"]},
        {"column": "region", "op": "not_in", "parameter": "ids"},
        {"column": "note", "op": "contains", "value": "50%"},
        {"column": "note", "op": "starts_with", "parameter": "start"},
        {"column": "deleted_at", "op": "is_null"},
        {"column": "paid", "op": "=", "value": True},
        {"column": "amount", "op": "between", "value": [-1, 9.5]},
    ],
    "order_by": [{"column": "revenue", "direction": "desc"}, {"column": "region"}],
    "limit": 10,
}
NOTES = ["50%", "50x", "a_b", "axb", "!", "[x]", "x", "it's", "back\\slash", "%_!["]


def rows(dialect: str, spec: dict[str, Any], **params: Any) -> list[tuple[Any, ...]]:
    sql = compile_query_spec(spec, dialect)
    assert check_sql(sql, dialect).text == sql
    connection: Any = sqlite3.connect(":memory:") if dialect == "sqlite" else duckdb.connect()
    try:
        connection.execute("CREATE TABLE t (n INTEGER, note TEXT)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", list(enumerate(NOTES)))
        for name in params:
            sql = sql.replace(f":{name}", "?")
        found: list[tuple[Any, ...]] = connection.execute(sql, list(params.values())).fetchall()
        return found
    finally:
        connection.close()


@pytest.mark.parametrize("dialect", [*DIALECTS, "postgresql", "sqlserver", "mariadb"])
def test_a_full_spec_passes_the_guard_and_keeps_its_parameters(dialect: str) -> None:
    sql = compile_query_spec(FULL, dialect)
    verdict = check_sql(sql, dialect)
    assert verdict.allowed, (sql, verdict.reason)
    assert verdict.text == sql
    assert find_parameters(sql, dialect) == ["since", "ids", "start"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_hundred_filters_pass_the_guard(dialect: str) -> None:
    filters = [{"column": "a", "op": "!=", "value": number} for number in range(100)]
    assert check_sql(compile_query_spec({**FULL, "filters": filters}, dialect), dialect).allowed


@settings(max_examples=300, deadline=None)
@given(
    st.text(min_size=1, max_size=12),
    st.text(max_size=12),
    st.sampled_from(DIALECTS),
    st.sampled_from(["=", "contains", "starts_with"]),
)
def test_any_name_and_value_passes_the_guard_or_is_refused_as_input(
    name: str, value: str, dialect: str, op: str
) -> None:
    spec = {"table": "t", "fields": [{"column": name}], "filters": [{"column": "a", "op": op, "value": value}]}
    is_plain = not any(INVISIBLE.search(text) or "\r" in text for text in (name, value))
    if is_plain and not set(name) & set('\\"`[]\n\t'):
        sql = compile_query_spec(spec, dialect)
        verdict = check_sql(sql, dialect)
        assert verdict.text == sql, (sql, verdict.reason)
    else:
        with pytest.raises(InvalidInput):
            compile_query_spec(spec, dialect)


@pytest.mark.parametrize("dialect", ["sqlite", "duckdb"])
@pytest.mark.parametrize("looked_for", [*NOTES, "_", "%", "\\", "nothing"])
@pytest.mark.parametrize("op", ["contains", "starts_with"])
def test_signs_in_what_is_looked_for_are_ordinary_characters(dialect: str, looked_for: str, op: str) -> None:
    expected = [note for note in NOTES if (looked_for in note if op == "contains" else note.startswith(looked_for))]
    spec = {"table": "t", "fields": [{"column": "note"}], "order_by": [{"column": "n"}]}
    with_value = {**spec, "filters": [{"column": "note", "op": op, "value": looked_for}]}
    with_parameter = {**spec, "filters": [{"column": "note", "op": op, "parameter": "q"}]}
    assert [note for (note,) in rows(dialect, with_value)] == expected
    assert [note for (note,) in rows(dialect, with_parameter, q=looked_for)] == expected


@pytest.mark.parametrize("dialect", ["sqlite", "duckdb"])
def test_groups_orders_and_limits_give_the_rows_they_say(dialect: str) -> None:
    spec = {
        "table": "t",
        "fields": [{"column": "note", "aggregate": "max", "alias": "last"}, {"column": "*", "aggregate": "count"}],
        "filters": [{"column": "n", "op": "not_in", "value": [0, 1]}, {"column": "n", "op": "<", "value": 4}],
        "order_by": [{"column": "last", "direction": "desc"}],
        "limit": 1,
    }
    assert rows(dialect, spec) == [("axb", 2)]


def test_in_sqlite_an_unknown_column_is_an_error_and_not_a_text() -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such column"):
        rows("sqlite", {"table": "t", "fields": [{"column": "misspelt"}]})


@pytest.mark.parametrize(
    ("dialect", "limit"),
    [
        ("postgres", "LIMIT 10"),
        ("mysql", "LIMIT 10"),
        ("oracle", "FETCH FIRST 10 ROWS ONLY"),
        ("tsql", "SELECT TOP 10 "),
    ],
)
def test_the_limit_is_written_in_the_dialects_way(dialect: str, limit: str) -> None:
    assert limit in compile_query_spec(FULL, dialect)


@pytest.mark.parametrize(
    ("dialect", "part"),
    [
        ("tsql", "[note] LIKE '%50!%!['"),
        ("bigquery", "`note` LIKE '%50\\\\%['"),
        ("clickhouse", "\"note\" LIKE '%50\\\\%['"),
        ("oracle", "\"note\" LIKE '%50!%['"),
    ],
)
def test_the_escape_is_the_dialects(dialect: str, part: str) -> None:
    spec = {**FULL, "filters": [{"column": "note", "op": "contains", "value": "50%["}]}
    sql = compile_query_spec(spec, dialect)
    assert part[:-1] in sql
    assert ("ESCAPE" in sql) == (dialect not in ("bigquery", "clickhouse"))


def test_oracle_and_sql_server_get_one_for_true() -> None:
    spec = {"table": "t", "fields": [{"column": "a"}], "filters": [{"column": "b", "op": "=", "value": True}]}
    assert compile_query_spec(spec, "oracle").endswith('"b" = 1')
    assert compile_query_spec(spec, "tsql").endswith("[b] = 1")
    assert compile_query_spec(spec, "postgres").endswith('"b" = TRUE')


def test_names_are_quoted_and_values_are_literals() -> None:
    sql = compile_query_spec(FULL, "postgres")
    assert '"sales"."orders"' in sql
    assert "'O''Neil'" in sql
    assert 'GROUP BY "region"' in sql


@pytest.mark.parametrize("name", ['x" FROM y --', "a`b", "a]b", "a\\", "a\nb", "a\u200bb", ""])
def test_a_name_that_could_end_its_quotes_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        compile_query_spec({"table": "t", "fields": [{"column": name}]}, "postgres")
    assert refused.value.details[0].field == "query_spec.fields.0.column"


@pytest.mark.parametrize("table", ["", "a..b", "a.b.c.d", 'a"b', "/etc/passwd", "t@link", "a.\\", "@stage", "x" * 129])
def test_a_table_is_one_to_three_plain_names(table: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        compile_query_spec({**FULL, "table": table}, "duckdb")
    assert refused.value.details[0].field == "query_spec.table"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"fields": []}, "query_spec.fields"),
        ({"fields": [{"column": "*"}]}, "query_spec.fields.0"),
        ({"filters": [{"column": "a", "op": "=", "value": None}]}, "query_spec.filters.0"),
        ({"filters": [{"column": "a", "op": "~", "value": 1}]}, "query_spec.filters.0.op"),
        ({"filters": [{"column": "a", "op": "=", "value": {}}]}, "query_spec.filters.0.value"),
        ({"filters": [{"column": "a", "op": "=", "value": "a\x00"}]}, "query_spec.filters.0.value"),
        ({"filters": [{"column": "a", "op": "in", "value": [[]]}]}, "query_spec.filters.0.value"),
        ({"filters": [{"column": "a", "op": "in", "value": []}]}, "query_spec.filters.0"),
        ({"filters": [{"column": "a", "op": "between", "value": [1]}]}, "query_spec.filters.0"),
        ({"filters": [{"column": "a", "op": "between", "parameter": "p"}]}, "query_spec.filters.0"),
        ({"filters": [{"column": "a", "op": "=", "value": 1, "parameter": "p"}]}, "query_spec.filters.0"),
        ({"filters": [{"column": "a", "op": "is_null", "value": 1}]}, "query_spec.filters.0"),
        ({"filters": [{"column": "a", "op": "=", "value": float("nan")}]}, "query_spec.filters.0.value"),
        ({"filters": [{"column": "a", "op": "=", "parameter": "a b"}]}, "query_spec.filters.0.parameter"),
        ({"order_by": [{"column": "a", "direction": "up"}]}, "query_spec.order_by.0.direction"),
        ({"limit": 0}, "query_spec.limit"),
        ({"limit": True}, "query_spec.limit"),
        ({"joins": []}, "query_spec.joins"),
    ],
)
def test_wrong_fields_are_named_by_their_path(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        compile_query_spec({**FULL, **change}, "mysql")
    assert [problem.field for problem in refused.value.details] == [field]


def test_a_spec_that_is_no_object_is_refused() -> None:
    with pytest.raises(InvalidInput):
        compile_query_spec([], "mysql")  # type: ignore[arg-type]


def test_only_listed_tables_and_columns_may_be_used() -> None:
    columns = ["region", "amount", "day", "note", "paid", "customer"]
    with pytest.raises(InvalidInput) as refused:
        compile_query_spec(FULL, "mysql", {"sales.orders": columns})
    assert [problem.field for problem in refused.value.details] == ["query_spec.filters.5.column"]
    assert compile_query_spec(FULL, "mysql", {"sales.orders": [*columns, "deleted_at"]})
    with pytest.raises(InvalidInput) as refused:
        compile_query_spec(FULL, "mysql", {"orders": columns})
    assert [problem.field for problem in refused.value.details] == ["query_spec.table"]
