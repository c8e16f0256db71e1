"""The DuckDB connector against real files."""

from __future__ import annotations

import contextlib
import sqlite3
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from connectors.duckdb import DuckdbConfig, DuckdbConnector
from shared.errors import SourceRejected
from tests.plugins.connector_contract import ConnectorContract, control, rows


@pytest.fixture
def connector(tmp_path: Path) -> DuckdbConnector:
    path = tmp_path / "shop.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "CREATE TABLE orders (id BIGINT, amount DECIMAL(18, 4), mood ENUM ('sad', 'glad'), tags TEXT[])"
        )
        connection.execute("INSERT INTO orders VALUES (1, 0.1, 'glad', ['a', 'b']), (2, NULL, NULL, NULL)")
    return DuckdbConnector(DuckdbConfig(path=str(path)))


class TestDuckdb(ConnectorContract):
    three_rows = "SELECT unnest([1, 2, 3]) AS n"
    no_rows = "SELECT id AS n FROM orders WHERE id < 0"
    many_rows = "SELECT n FROM range(100000) AS r(n)"
    wide_rows = "SELECT repeat('x', 100000) || n AS x FROM range(64) AS r(n)"
    endless = "SELECT count(*) AS n FROM range(10000000000) a, range(1000) b WHERE (a.range * b.range) % 7 = 3"
    broken = "SELECT * FROM no_such_table"
    write = "INSERT INTO orders (id) VALUES (1)"
    listed_table = "orders"


def test_types_pass_as_they_are(connector: DuckdbConnector) -> None:
    first, second = rows(connector, "SELECT * FROM orders ORDER BY id")
    assert first == {"id": 1, "amount": Decimal("0.1000"), "mood": "glad", "tags": ["a", "b"]}
    assert second["mood"] is None


@pytest.mark.parametrize("query", ["SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM '/etc/passwd'"])
def test_files_of_the_server_cannot_be_read(connector: DuckdbConnector, query: str) -> None:
    with pytest.raises(SourceRejected):
        rows(connector, query)


def test_a_file_of_another_kind_is_named_and_no_extension_is_fetched_for_it(tmp_path: Path) -> None:
    path = tmp_path / "shop.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER)")
    with pytest.raises(SourceRejected, match=r"^The file is no DuckDB database\.$") as refused:
        DuckdbConnector(DuckdbConfig(path=str(path))).check(control())
    assert "Failed to download" not in str(refused.value.__cause__)


def test_csv_and_parquet_files_are_tables(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("id,name\n1,Zoë\n2,\n")
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT 1 AS id) TO '{tmp_path}/orders.parquet' (FORMAT parquet)")
    for ending in ("csv", "parquet"):
        connector = DuckdbConnector(DuckdbConfig(path=str(tmp_path / f"orders.{ending}")))
        assert rows(connector, "SELECT id FROM orders ORDER BY id")[0] == {"id": 1}
        assert [table.name for table in connector.tables(control())] == ["orders"]
        with pytest.raises(SourceRejected):
            rows(connector, "SELECT * FROM read_csv('/etc/passwd')")
