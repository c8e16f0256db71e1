"""The awkward values in real datasources, put there by other drivers than those that the connectors read with."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from sqlalchemy import create_engine

from connectors.duckdb import DuckdbConfig, DuckdbConnector
from connectors.mysql import MysqlConfig, MysqlConnector
from connectors.postgresql import PostgresqlConfig, PostgresqlConnector
from connectors.sqlite import SqliteConfig, SqliteConnector
from shared.plugins import Connector, Query
from tests.fidelity.columns import DUCKDB, MYSQL, POSTGRESQL, SQLITE, Held
from tests.fidelity.values import Formula
from tests.plugins.connector_contract import control
from tests.services.databases import TestDatabase


@dataclass(frozen=True)
class Source:
    """A datasource with its columns, and what one query for all of them gave."""

    connector: Connector[Any]
    columns: Sequence[Held]
    table: pa.Table

    def column(self, held: Held) -> pa.Array:
        """The values of a column, without the rows that only others have."""
        return self.table.column(self.columns.index(held)).combine_chunks().slice(0, len(held.given()))


def sqlite_source(folder: Path) -> Source:
    path = folder / "awkward.sqlite"
    connection = sqlite3.connect(path)
    connection.execute(_create(SQLITE, '"'))
    connection.executemany(_insert(SQLITE, "?"), _rows(SQLITE))
    connection.commit()
    connection.close()
    return _fetched(SqliteConnector(SqliteConfig(path=str(path))), SQLITE, '"')


def duckdb_source(folder: Path) -> Source:
    path = folder / "awkward.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(_create(DUCKDB, '"'))
        connection.executemany(_insert(DUCKDB, "?", casts=True), _rows(DUCKDB))
    return _fetched(DuckdbConnector(DuckdbConfig(path=str(path))), DUCKDB, '"')


def mysql_source(database: TestDatabase) -> Source:
    _fill(database, ["SET time_zone = '+00:00'", _create(MYSQL, "`")], _insert(MYSQL, "%s"), _rows(MYSQL))
    return _fetched(MysqlConnector(MysqlConfig(**database.config)), MYSQL, "`")


def postgresql_source(database: TestDatabase) -> Source:
    before = ["SET TimeZone = 'UTC'", "CREATE TYPE mood AS ENUM ('sad', 'glad')", _create(POSTGRESQL, '"')]
    _fill(database, before, _insert(POSTGRESQL, "%s", casts=True), _rows(POSTGRESQL))
    return _fetched(PostgresqlConnector(PostgresqlConfig(**database.config)), POSTGRESQL, '"')


def _create(columns: Sequence[Held], quote: str) -> str:
    defined = [f"{quote}{held.type}{quote} {held.ddl or held.type}" for held in columns]
    return f"CREATE TABLE awkward (position INTEGER, {', '.join(defined)})"


def _insert(columns: Sequence[Held], mark: str, *, casts: bool = False) -> str:
    marks = [f"CAST({mark} AS {held.ddl or held.type})" if casts else mark for held in columns]
    return f"INSERT INTO awkward VALUES ({', '.join([mark, *marks])})"


def _rows(columns: Sequence[Held]) -> list[list[Any]]:
    stored = [[None if value is None else held.stores(value) for value in held.given()] for held in columns]
    return [[position, *row] for position, row in enumerate(itertools.zip_longest(*stored))]


def _fill(database: TestDatabase, before: Sequence[str], insert: str, rows: Sequence[list[Any]]) -> None:
    engine = create_engine(database.url)
    with engine.begin() as connection:
        for statement in before:
            connection.exec_driver_sql(statement)
        for row in rows:
            connection.exec_driver_sql(insert, tuple(_plain(value) for value in row))
    engine.dispose()


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Formula) else value  # drivers look for the exact class


def _fetched(connector: Connector[Any], columns: Sequence[Held], quote: str) -> Source:
    names = ", ".join(f"{quote}{held.type}{quote}" for held in columns)
    query = Query(f"SELECT {names} FROM awkward ORDER BY position", batch_rows=7)
    with connector.stream(query, control()) as reader:
        return Source(connector, columns, reader.read_all())
