"""The PostgreSQL connector against a real server."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from connectors.postgresql import PostgresqlConfig, PostgresqlConnector
from shared.errors import SourceRejected
from shared.plugins import Query
from shared.plugins.arrow_text import is_decimal_text
from tests.plugins.connector_contract import ServerContract, control, rows
from tests.services.databases import TestDatabase

pytestmark = pytest.mark.service


@pytest.fixture
def connector(postgres_database: TestDatabase) -> PostgresqlConnector:
    postgres_database.execute("CREATE TABLE orders (id bigint PRIMARY KEY, amount numeric(18, 4) NOT NULL)")
    return PostgresqlConnector(PostgresqlConfig(**postgres_database.config))


class TestPostgresql(ServerContract):
    three_rows = "SELECT n FROM generate_series(1, 3) AS n"
    no_rows = "SELECT id AS n FROM orders"
    many_rows = "SELECT n FROM generate_series(1, 100000) AS n"
    wide_rows = "SELECT repeat('x', 100000) AS x FROM generate_series(1, 64)"
    endless = "SELECT pg_sleep(100)"
    broken = "SELECT * FROM no_such_table"
    write = "INSERT INTO orders VALUES (1, 1) RETURNING id"
    listed_table = "orders"

    @pytest.fixture(autouse=True)
    def _database(self, postgres_database: TestDatabase) -> None:
        self._config = postgres_database.config

    def make(self, **changes: Any) -> PostgresqlConnector:
        return PostgresqlConnector(PostgresqlConfig(**{**self._config, **changes}))


def test_every_type_comes_back_as_it_was(connector: PostgresqlConnector) -> None:
    sql = """
    SELECT 9223372036854775807::bigint AS big, 1::smallint AS small, 12345678901234.5678::numeric(18,4) AS dec,
           repeat('9', 60)::numeric(60, 0) AS wide, 1e-20::numeric AS loose, 0.1::float8 AS dbl, 'NaN'::float8 AS nan,
           'infinity'::float8 AS inf, true AS yes, false AS no, date '0001-01-01' AS d, time '08:00:00.5' AS t,
           timestamp '2026-01-31 08:00:00.123456' AS ts, timestamptz '2026-01-31 08:00:00+02' AS tz,
           '\\x00ff'::bytea AS bin, ''::bytea AS empty_bin, '{"a": [1, 2]}'::json AS js, ARRAY['a', 'b,c'] AS arr,
           interval '1 month 2 days' AS iv, 'c0ffee00-0000-0000-0000-000000000000'::uuid AS id, int4range(1, 5) AS rng,
           'x'::char(3) AS padded, NULL::int AS nothing
    """
    row = rows(connector, sql)[0]
    assert row.pop("nan") != row.get("nan")
    assert row == {
        "big": 9223372036854775807,
        "small": 1,
        "dec": Decimal("12345678901234.5678"),
        "wide": Decimal("9" * 60),
        "loose": "0.00000000000000000001",
        "dbl": 0.1,
        "inf": float("inf"),
        "yes": True,
        "no": False,
        "d": date(1, 1, 1),
        "t": time(8, 0, 0, 500000),
        "ts": datetime(2026, 1, 31, 8, 0, 0, 123456),
        "tz": datetime(2026, 1, 31, 6, tzinfo=UTC),
        "bin": b"\x00\xff",
        "empty_bin": b"",
        "js": '{"a": [1, 2]}',
        "arr": '{a,"b,c"}',
        "iv": "P1M2D",
        "id": "c0ffee00-0000-0000-0000-000000000000",
        "rng": "[1,5)",
        "padded": "x  ",
        "nothing": None,
    }


def test_numbers_without_scale_are_exact_text_that_is_known_to_be_a_number(connector: PostgresqlConnector) -> None:
    with connector.stream(Query("SELECT sum(amount) AS total FROM orders"), control()) as reader:
        assert is_decimal_text(reader.schema.field("total"))


@pytest.mark.parametrize(
    "value", ["'infinity'::date", "'infinity'::timestamp", "'NaN'::numeric(5, 2)", "date '12026-01-01'"]
)
def test_a_value_that_does_not_fit_is_named_by_its_column(connector: PostgresqlConnector, value: str) -> None:
    with pytest.raises(SourceRejected, match="Row 1, column broken"):
        rows(connector, f"SELECT 1 AS fine, {value} AS broken")


def test_an_error_points_to_line_and_column_of_the_authors_text(connector: PostgresqlConnector) -> None:
    with pytest.raises(SourceRejected) as refused:
        rows(connector, "SELECT id,\n  no_such_column\nFROM orders")
    assert (refused.value.line, refused.value.column) == (2, 3)


def test_a_cell_larger_than_a_batch_arrives_whole(connector: PostgresqlConnector) -> None:
    with connector.stream(Query("SELECT repeat('x', 9000000) AS x", batch_bytes=100_000), control()) as reader:
        table = reader.read_all()
    assert len(table.column(0)[0].as_py()) == 9_000_000


def test_a_wrong_password_is_a_refused_login(postgres_database: TestDatabase) -> None:
    postgres_database.execute("DROP ROLE IF EXISTS rh_nobody")
    config = {**postgres_database.config, "username": "rh_nobody", "password": "wrong"}
    with pytest.raises(SourceRejected, match="Login"):
        PostgresqlConnector(PostgresqlConfig(**config)).check(control())


def test_tls_is_named_when_the_server_has_none(postgres_database: TestDatabase) -> None:
    config = {**postgres_database.config, "tls": "verify", "host": "127.0.0.1"}
    with pytest.raises(SourceRejected, match="TLS"):
        PostgresqlConnector(PostgresqlConfig(**config)).check(control())


def test_tables_tell_types_and_keys(connector: PostgresqlConnector) -> None:
    table = next(table for table in connector.tables(control()) if table.name == "orders")
    assert [(c.name, c.type, c.is_nullable, c.is_primary_key) for c in table.columns] == [
        ("id", "bigint", False, True),
        ("amount", "numeric(18,4)", False, False),
    ]
    assert pa.types.is_decimal(pa.decimal128(18, 4))
