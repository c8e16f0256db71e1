"""The SQLite connector against real files."""

from __future__ import annotations

import sqlite3
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors.sqlite import SqliteConfig, SqliteConnector
from shared.errors import SourceRejected
from shared.plugins import Query
from tests.plugins.connector_contract import ConnectorContract, control, rows

SERIES = "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {0}) SELECT {1} FROM s"


@pytest.fixture
def connector(tmp_path: Path) -> SqliteConnector:
    path = tmp_path / "shop.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(
        """
        CREATE TABLE orders (id INTEGER PRIMARY KEY, amount DECIMAL(12, 2), day DATE, at DATETIME, t TIME, ok BOOLEAN,
                             ratio REAL, name VARCHAR(50), data BLOB, loose NUMERIC);
        INSERT INTO orders VALUES (9007199254740993, 0.1, '2026-01-31', '2026-01-31 08:00:00.25', '08:00', 1, 3, '007',
                                   x'00ff', 5);
        INSERT INTO orders VALUES (2, '12345678.90', NULL, NULL, NULL, 0, 0.5, '', NULL, 1.5);
        CREATE VIEW v AS SELECT id, amount FROM orders;
        """
    )
    connection.commit()
    connection.close()
    return SqliteConnector(SqliteConfig(path=str(path)))


class TestSqlite(ConnectorContract):
    three_rows = "SELECT 1 AS n UNION ALL SELECT 2 UNION ALL SELECT 3"
    no_rows = "SELECT id AS n FROM orders WHERE id < 0"
    many_rows = SERIES.format(100_000, "n")
    wide_rows = SERIES.format(64, "printf('%.*c', 100000, 'x') AS x")
    endless = SERIES.format(10**12, "count(*)")
    broken = "SELECT * FROM no_such_table"
    write = "INSERT INTO orders (id) VALUES (1)"
    listed_table = "orders"


def test_declared_types_decide(connector: SqliteConnector) -> None:
    first, second = rows(connector, "SELECT * FROM orders ORDER BY id DESC")
    assert first == {
        "id": 9007199254740993,
        "amount": Decimal("0.10"),
        "day": date(2026, 1, 31),
        "at": datetime(2026, 1, 31, 8, 0, 0, 250000),
        "t": time(8),
        "ok": True,
        "ratio": 3.0,
        "name": "007",
        "data": b"\x00\xff",
        "loose": 5.0,
    }
    assert second["amount"] == Decimal("12345678.90")
    assert second["name"] == ""


def test_declared_types_reach_through_views_and_subqueries(connector: SqliteConnector) -> None:
    with connector.stream(
        Query("SELECT amount FROM (SELECT * FROM v) WHERE id > :low", {"low": 0}), control()
    ) as reader:
        assert str(reader.schema.field("amount").type) == "decimal128(12, 2)"


@pytest.mark.parametrize("value", ["'x'", "0.123", "x'00'"])
def test_a_value_that_does_not_fit_is_named_by_row_and_column(connector: SqliteConnector, value: Any) -> None:
    connection = sqlite3.connect(connector.config.path)
    connection.execute(f"INSERT INTO orders (id, amount) VALUES (3, {value})")
    connection.commit()
    connection.close()
    with pytest.raises(SourceRejected, match="Row 2, column amount"):
        rows(connector, "SELECT amount FROM orders ORDER BY id")


def test_a_missing_file_and_a_file_of_another_kind_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceRejected, match="does not exist"):
        SqliteConnector(SqliteConfig(path=str(tmp_path / "no.db"))).check(control())
    (tmp_path / "text.db").write_text("this is no database, but long enough to look like one" * 100)
    with pytest.raises(SourceRejected, match="no SQLite database"):
        SqliteConnector(SqliteConfig(path=str(tmp_path / "text.db"))).check(control())
