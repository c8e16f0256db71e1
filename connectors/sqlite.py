"""SQLite files, opened read-only with the standard library's driver.

SQLite's values have types, its columns do not, so the declared type decides: see docs/reference/types.md. A value that
does not fit its column's declared type is an error with row and column, never a conversion by luck. Columns without a
usable declaration (expressions) take the type of the values in the first batch.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import pyarrow as pa
from pydantic import Field

from connectors._sqlite_types import SOURCE_TYPES, ColumnReader, declared_type
from shared.errors import SourceRejected, SourceUnavailable
from shared.plugins import (
    Column,
    Connector,
    Control,
    PluginConfig,
    Query,
    ServerPath,
    SourceCapabilities,
    SourceType,
    Table,
)
from shared.plugins.sql_parameters import bind
from shared.plugins.streaming import guarded, translated

_FIRST_FETCH = 8


class SqliteConfig(PluginConfig):
    path: ServerPath = Field(
        title="File", description="Path of the database file, below an allowed folder.", examples=["shop.sqlite"]
    )


class SqliteConnector(Connector[SqliteConfig]):
    kind = "sqlite"
    title = "SQLite"
    config_model = SqliteConfig
    capabilities = SourceCapabilities(dialect="sqlite", cancels=True, is_file=True)
    source_types: ClassVar[Sequence[SourceType]] = SOURCE_TYPES

    def check(self, control: Control) -> str:
        with translated(control, _translate), self._open() as connection:
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        return f"SQLite {sqlite3.sqlite_version}"

    @contextlib.contextmanager
    def stream(self, query: Query, control: Control) -> Iterator[pa.RecordBatchReader]:
        with self._open() as connection, control.on_cancel(connection.interrupt):
            with translated(control, _translate):
                text, values = bind(query.text, query.params, "sqlite", lambda _: "?")
                declared = _declared_types(connection, query)
                connection.execute("PRAGMA query_only = ON")
                cursor = connection.execute(text, [_sqlite_value(value) for value in values])
                rows = _Rows(cursor, query)
                first = rows.fetch()
            names = [column[0] for column in cursor.description]
            readers = [
                ColumnReader(*item, first, position) for position, item in enumerate(zip(names, declared, strict=True))
            ]
            schema = pa.schema([reader.field for reader in readers])
            with guarded(schema, _batches(rows, first, readers, schema), control, _translate) as reader:
                yield reader

    def tables(self, control: Control) -> list[Table]:
        with translated(control, _translate), self._open() as connection:
            found = connection.execute(
                "SELECT name, type FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' "
                "ESCAPE '\\' ORDER BY name"
            ).fetchall()
            return [Table(name, None, kind, _columns(connection, name)) for name, kind in found]

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        path = Path(self.config.path)
        if not path.is_file():
            raise SourceRejected("The file of this datasource does not exist.", hint="Check `path` of the datasource.")
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, check_same_thread=False, timeout=10)
        try:
            connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
            yield connection
        finally:
            connection.close()


def _declared_types(connection: sqlite3.Connection, query: Query) -> list[str]:
    """The declared type of each column of the result, '' for expressions: a view over the query knows them."""
    text, _ = bind(query.text, dict.fromkeys(query.params), "sqlite", lambda _: "NULL")
    connection.execute(f"CREATE TEMP VIEW report_hub_query AS {text}")
    try:
        return [row[2] for row in connection.execute("PRAGMA temp.table_info(report_hub_query)")]
    finally:
        connection.execute("DROP VIEW temp.report_hub_query")


class _Rows:
    """Fetches until a batch has its rows or its bytes; wide rows give batches of fewer rows."""

    def __init__(self, cursor: sqlite3.Cursor, query: Query) -> None:
        self._cursor = cursor
        self._query = query
        self._step = _FIRST_FETCH

    def fetch(self) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        size = 0
        while len(rows) < self._query.batch_rows and size < self._query.batch_bytes:
            part = self._cursor.fetchmany(min(self._step, self._query.batch_rows - len(rows)))
            if not part:
                break
            rows += part
            size += _size(part[-1]) * len(part)
            self._step = max(1, min(4096, self._query.batch_bytes // max(1, 4 * _size(part[-1]))))
        return rows


def _size(row: tuple[Any, ...]) -> int:
    return sum(len(value) if isinstance(value, (str, bytes)) else 8 for value in row)


def _batches(
    rows: _Rows, first: list[tuple[Any, ...]], readers: list[ColumnReader], schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    current, offset = first, 0
    while current:
        columns = zip(*current, strict=True)
        arrays = [reader.array(values, offset) for reader, values in zip(readers, columns, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        offset += len(current)
        current = rows.fetch()


def _columns(connection: sqlite3.Connection, table: str) -> tuple[Column, ...]:
    quoted = table.replace('"', '""')
    rows = connection.execute(f'PRAGMA table_xinfo("{quoted}")').fetchall()
    return tuple(
        Column(name, str(declared_type(kind) or kind or "any"), not is_not_null, bool(key))
        for _, name, kind, is_not_null, _, key, hidden in rows
        if hidden != 1
    )


def _sqlite_value(value: Any) -> Any:
    """SQLite has integers, reals, text and blobs: dates and times are ISO text, decimals the nearest number."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def _translate(error: Exception) -> Exception:
    text = str(error)
    if isinstance(error, sqlite3.OperationalError) and ("locked" in text or "busy" in text):
        return SourceUnavailable("The SQLite file is locked by another program.", hint="It is tried again.")
    if isinstance(error, sqlite3.DatabaseError) and "not a database" in text:
        return SourceRejected("The file is no SQLite database.", hint="Check `path` of the datasource.")
    return SourceRejected("SQLite refused the query.", hint=text[:500] or None)
