"""The builder's specs become SQL that passes the guard in every dialect."""

from __future__ import annotations

from typing import Any

import pytest

from shared.errors import InvalidInput
from shared.query_spec import compile_query_spec
from shared.sql import check_sql, find_parameters

FULL: dict[str, Any] = {
    "table": "sales.orders",
    "fields": [{"column": "region"}, {"column": "amount", "aggregate": "sum", "alias": "revenue"}],
    "filters": [
        {"column": "day", "op": ">=", "parameter": "since"},
        {"column": "region", "op": "in", "value": ["EU", "O'Neil"]},
        {"column": "note", "op": "contains", "value": "50%"},
        {"column": "deleted_at", "op": "is_null"},
        {"column": "amount", "op": "between", "value": [1, 9]},
    ],
    "order_by": [{"column": "revenue", "direction": "desc"}],
    "limit": 10,
}


@pytest.mark.parametrize("dialect", ["sqlite", "duckdb", "mysql", "postgres", "tsql", "oracle", "snowflake"])
def test_a_full_spec_passes_the_guard(dialect: str) -> None:
    sql = compile_query_spec(FULL, dialect)
    verdict = check_sql(sql, dialect)
    assert verdict.allowed, (sql, verdict.reason)
    if dialect not in ("tsql", "oracle"):
        assert find_parameters(sql, dialect) == ["since"]


def test_names_are_quoted_and_values_are_literals() -> None:
    sql = compile_query_spec(FULL, "postgres")
    assert '"sales"."orders"' in sql
    assert "'O''Neil'" in sql
    assert 'GROUP BY "region"' in sql


def test_a_name_with_a_quote_is_refused() -> None:
    with pytest.raises(InvalidInput):
        compile_query_spec({"table": "t", "fields": [{"column": 'x" FROM y --'}]}, "postgres")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"fields": []}, "query_spec.fields"),
        ({"filters": [{"column": "a", "op": "=", "value": None}]}, "query_spec.filters.0"),
        ({"filters": [{"column": "a", "op": "~", "value": 1}]}, "query_spec.filters.0.op"),
        ({"limit": 0}, "query_spec.limit"),
        ({"joins": []}, "query_spec.joins"),
    ],
)
def test_wrong_fields_are_named_by_their_path(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        compile_query_spec({**FULL, **change}, "mysql")
    assert refused.value.details[0].field == field


def test_only_listed_tables_and_columns_may_be_used() -> None:
    with pytest.raises(InvalidInput) as refused:
        compile_query_spec(FULL, "mysql", {"sales.orders": ["region", "amount", "day", "note"]})
    assert [problem.field for problem in refused.value.details] == ["query_spec.filters.3.column"]
