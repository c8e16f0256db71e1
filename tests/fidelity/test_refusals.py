"""Values that a datasource holds and no calendar, number or file does: an error that names row and column."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.duckdb import DuckdbConfig, DuckdbConnector
from connectors.sqlite import SqliteConfig, SqliteConnector
from shared.errors import SourceRejected
from tests.fidelity.sources import Source
from tests.plugins.connector_contract import rows

_TWO_ROWS = "SELECT broken FROM (SELECT 1 AS n, {fine} AS broken UNION ALL SELECT 2, {broken}) AS t ORDER BY n"

_SQLITE = [
    ("INTEGER", 1.5),
    ("INTEGER", "abc"),
    ("INTEGER", str(2**63)),
    ("BOOLEAN", 2),
    ("DECIMAL(10, 2)", 1e20),
    ("DECIMAL(10, 2)", 0.1 + 0.2),
    ("DECIMAL(10, 2)", float("inf")),
    ("DECIMAL(10, 2)", "1_5"),
    ("DECIMAL(10, 2)", "\u0661"),
    ("REAL", "abc"),
    ("TEXT", b"ab"),
    ("BLOB", "ab"),
    ("DATE", "2024-02-30"),
    ("DATE", "2024-02-29 00:00:00"),
    ("DATE", 20240229),
    ("DATETIME", "2016-12-31 23:59:60"),
    ("DATETIME", "2024-02-29 12:00:00.1234567"),
    ("DATETIME", "2024-02-29 12:00:00.1234567+02:00"),
    ("DATETIME", "9999-12-31 23:59:59-02:00"),
    ("DATETIME", 1_700_000_000),
    ("TIME", "12:00:00.1234567"),
    ("TIME", "12:00:00+02:00"),
    ("TIME", "24:00:00"),
]

_DUCKDB = [
    ("1::HUGEINT", f"{2**127 - 1}::HUGEINT"),
    ("1::HUGEINT", f"({-(10**38)})::HUGEINT"),
    ("DATE '2024-01-01'", "'infinity'::DATE"),
    ("DATE '2024-01-01'", "DATE '10000-01-01'"),
    ("DATE '2024-01-01'", "DATE '0044-03-15 (BC)'"),
    ("TIME '12:00:00'", "TIME '24:00:00'"),
    *(
        (f"'2024-01-01'::{kind}", f"'{value}'::{kind}")
        for kind in ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMPTZ")
        for value in ("infinity", "-infinity")
    ),
    ("[DATE '2024-01-01']", "[DATE '2024-01-01', 'infinity'::DATE]"),
    ("{'a': [TIME '12:00:00']}", "{'a': [TIME '24:00:00']}"),
    ("MAP {'a': 1::HUGEINT}", f"MAP {{'a': {10**38}::HUGEINT}}"),
]

_POSTGRESQL = [
    ("current_date", "'infinity'::date"),
    ("current_date", "'10000-01-01'::date"),
    ("current_date", "'0044-03-15 BC'::date"),
    ("'12:00'::time", "'24:00'::time"),
    ("now()::timestamp", "'infinity'::timestamp"),
    ("now()", "'-infinity'::timestamptz"),
    ("1::numeric(5, 2)", "'NaN'::numeric(5, 2)"),
    ("1::numeric(60, 2)", "'NaN'::numeric(60, 2)"),
]


@pytest.mark.parametrize(("kind", "value"), _SQLITE)
def test_sqlite_values_of_another_kind_than_declared(kind: str, value: object, tmp_path: Path) -> None:
    path = tmp_path / "shop.sqlite"
    connection = sqlite3.connect(path)
    connection.execute(f"CREATE TABLE t (broken {kind})")
    connection.executemany("INSERT INTO t VALUES (?)", [(None,), (value,)])
    connection.commit()
    connection.close()
    with pytest.raises(SourceRejected, match="Row 2, column broken"):
        rows(SqliteConnector(SqliteConfig(path=str(path))), "SELECT broken FROM t ORDER BY rowid")


@pytest.mark.parametrize(("fine", "broken"), _DUCKDB)
def test_duckdb_values_beyond_arrow(fine: str, broken: str, sources: Callable[[str], Source]) -> None:
    _refuses(sources("duckdb"), fine, broken)


@pytest.mark.parametrize("value", ["[1::UHUGEINT]", "{'a': [TIMETZ '12:00:00+02']}", "MAP {1: '101'::BIT}"])
def test_duckdb_types_that_arrow_gets_wrong_are_refused_inside_of_others(
    value: str, sources: Callable[[str], Source]
) -> None:
    with pytest.raises(SourceRejected, match="Column broken holds the type"):
        rows(sources("duckdb").connector, f"SELECT {value} AS broken")


@pytest.mark.service
@pytest.mark.parametrize(("fine", "broken"), _POSTGRESQL)
def test_postgresql_values_beyond_the_calendar(fine: str, broken: str, sources: Callable[[str], Source]) -> None:
    _refuses(sources("postgresql"), fine, broken)


@pytest.mark.service
@pytest.mark.parametrize("broken", ["CAST('0000-00-00' AS DATE)", "CAST('2024-00-10' AS DATETIME)"])
def test_mysql_zero_dates(broken: str, sources: Callable[[str], Source]) -> None:
    _refuses(
        sources("mysql"), "DATE'2024-01-01'" if "DATETIME" not in broken else "TIMESTAMP'2024-01-01 00:00:00'", broken
    )


def test_a_later_batch_counts_its_rows_on(tmp_path: Path) -> None:
    path = tmp_path / "shop.duckdb"
    import duckdb

    duckdb.connect(str(path)).close()
    text = (
        "SELECT CASE WHEN n = 149999 THEN 'infinity'::DATE ELSE DATE '2024-01-01' END AS broken FROM range(200000) r(n)"
    )
    with pytest.raises(SourceRejected, match="Row 150,000, column broken"):
        rows(DuckdbConnector(DuckdbConfig(path=str(path))), text)


def _refuses(source: Source, fine: str, broken: str) -> None:
    with pytest.raises(SourceRejected, match="Row 2, column broken") as refused:
        rows(source.connector, _TWO_ROWS.format(fine=fine, broken=broken))
    assert refused.value.hint
