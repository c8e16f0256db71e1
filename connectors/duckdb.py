"""DuckDB database files, and CSV or Parquet files as one table. The driver speaks Arrow, so batches pass through.

Where its Arrow export loses something, DuckDB is asked for text instead; see docs/reference/types.md.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
from pydantic import Field

from connectors._duckdb_types import SOURCE_TYPES, exported, portable_schema, reject_misfits
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

_OFFLINE = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
"""Else DuckDB fetches an extension from the Internet and runs it, for example for a file of SQLite."""
# Only types that keep what is written: DuckDB would else round 12345678901234567.89, guess whether 01/02/2024 is in
# January or February, and take "" for NULL.
_CSV = (
    "read_csv('{}', auto_type_candidates = ['BIGINT', 'DATE', 'VARCHAR'], dateformat = '%Y-%m-%d', "
    "allow_quoted_nulls = false)"
)
_READERS = {".parquet": "read_parquet('{}')", ".csv": _CSV, ".tsv": _CSV}


class DuckdbConfig(PluginConfig):
    path: ServerPath = Field(
        title="File",
        description="A DuckDB database, or a .csv or .parquet file, which becomes a table named like the file.",
        examples=["sales.duckdb", "exports/orders.parquet"],
    )


class DuckdbConnector(Connector[DuckdbConfig]):
    kind = "duckdb"
    title = "DuckDB, CSV and Parquet files"
    config_model = DuckdbConfig
    drivers = ("duckdb",)
    capabilities = SourceCapabilities(dialect="duckdb", cancels=True, is_file=True)
    source_types: ClassVar[Sequence[SourceType]] = SOURCE_TYPES

    def check(self, control: Control) -> str:
        import duckdb

        with translated(control, _translate), self._open() as connection:
            connection.execute("SELECT count(*) FROM duckdb_tables()").fetchone()
        return f"DuckDB {duckdb.__version__}"

    @contextlib.contextmanager
    def stream(self, query: Query, control: Control) -> Iterator[pa.RecordBatchReader]:
        with self._open() as connection, control.on_cancel(connection.interrupt):
            with translated(control, _translate):
                text, values = bind(query.text, query.params, "duckdb", lambda number: f"${number}")
                # .sql() streams; .execute() would hold the whole result in memory
                relation, numbers = exported(connection.sql(text, params=values or None))
                source = relation.to_arrow_reader(query.batch_rows)
            schema, batches = _portable(source, numbers, query)
            with guarded(schema, batches, control, _translate) as reader:
                yield reader

    def tables(self, control: Control) -> list[Table]:
        with translated(control, _translate), self._open() as connection:
            rows = connection.execute(
                "SELECT c.schema_name, c.table_name, c.column_name, c.data_type, c.is_nullable, t.estimated_size, "
                "t.table_name IS NULL FROM duckdb_columns() c LEFT JOIN duckdb_tables() t "
                "USING (database_name, schema_name, table_name) WHERE NOT c.internal "
                "ORDER BY c.schema_name, c.table_name, c.column_index"
            ).fetchall()
        found: dict[tuple[str, str], list[Any]] = {}
        for row in rows:
            found.setdefault((row[0], row[1]), []).append(row)
        return [_table(schema, name, columns) for (schema, name), columns in found.items()]

    @contextlib.contextmanager
    def _open(self) -> Iterator[Any]:
        import duckdb

        path = Path(self.config.path)
        reader = _READERS.get(path.suffix.lower())
        if not path.is_file():
            raise SourceRejected("The file of this datasource does not exist.", hint="Check `path` of the datasource.")
        try:
            connection = duckdb.connect(":memory:" if reader else str(path), read_only=not reader, config=_OFFLINE)
        except duckdb.Error as error:
            raise _translate(error) from error
        try:
            if reader:
                _expose(connection, path, reader)
            # From here on only what was opened can be read, and no query can change that.
            connection.execute("SET enable_external_access = false")
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("SET lock_configuration = true")
            yield connection
        finally:
            connection.close()


def _expose(connection: Any, path: Path, reader: str) -> None:
    if path.suffix.lower() == ".parquet":
        _reject_wide_decimals(connection, path)
    literal = str(path).replace("'", "''")
    connection.execute(f"SET allowed_paths = ['{literal}']")
    name = path.stem.replace('"', '""')
    connection.execute(f'CREATE VIEW "{name}" AS SELECT * FROM {reader.format(literal)}')  # noqa: S608 - a checked path


def _reject_wide_decimals(connection: Any, path: Path) -> None:
    """DuckDB would read them as floats."""
    question = "SELECT name FROM parquet_schema($1) WHERE precision > 38"
    wide = connection.execute(question, [str(path)]).fetchone()
    if wide is not None:
        raise SourceRejected(
            f"Column {wide[0]} of the Parquet file has decimals of more than 38 digits, which cannot be read exactly.",
            hint="Write it as text, or with at most 38 digits.",
        )


def _portable(
    source: pa.RecordBatchReader, numbers: list[int], query: Query
) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    schema = portable_schema(source.schema, numbers)

    def batches() -> Iterator[pa.RecordBatch]:
        row = 0
        try:
            for batch in source:
                ready = batch if batch.schema.equals(schema, check_metadata=True) else _cast(batch, schema)
                reject_misfits(ready, row)
                yield from _sliced(ready, query.batch_bytes)
                row += ready.num_rows
        finally:
            source.close()  # an open reader would block the next connect

    return schema, batches()


def _cast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    columns = [column.cast(field.type) for column, field in zip(batch.columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _sliced(batch: pa.RecordBatch, batch_bytes: int) -> Iterator[pa.RecordBatch]:
    pieces = max(1, batch.nbytes // max(1, 4 * batch_bytes))
    step = max(1, -(-batch.num_rows // pieces))
    for start in range(0, batch.num_rows, step):
        yield batch.slice(start, step)


def _table(schema: str, name: str, rows: list[Any]) -> Table:
    columns = tuple(Column(row[2], row[3], bool(row[4])) for row in rows)
    return Table(name, schema, "view" if rows[0][6] else "table", columns, rows[0][5])


def _translate(error: Exception) -> Exception:
    text = str(error)
    if "lock" in text.lower() and "conflicting" in text.lower():
        return SourceUnavailable("The DuckDB file is locked by another program.", hint="Try again when it is closed.")
    if "not a valid DuckDB database" in text or "sqlite_scanner" in text:
        return SourceRejected("The file is no DuckDB database.", hint="Check `path` and the type of the datasource.")
    return SourceRejected("DuckDB refused the query.", hint=text.split("\n\n")[0][:500] or None)
