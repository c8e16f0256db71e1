"""Every demo report passes the guard, runs through the real connectors, and gives the rows it should."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from demo.queries import QUERIES, DemoQuery, Source
from demo.shop import totals
from shared.parameters import ParameterSpec, check_specs, resolve_parameters
from shared.plugins import Connector, Query
from shared.sql import check_sql, find_parameters
from tests.demo.conftest import Rows, csv_rows
from tests.plugins.connector_contract import control

NOW = datetime(2026, 11, 24, 7, tzinfo=UTC)
DIALECTS = {"flights_sqlite": ["sqlite"], "flights_duckdb": ["duckdb"], "shop": ["sqlite", "mysql", "postgresql"]}
Connectors = dict[Source, Connector[Any]]

every_query = pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())


def values(query: DemoQuery, given: Any = None, at: datetime = NOW) -> dict[str, Any]:
    specs = [ParameterSpec.model_validate(dict(parameter)) for parameter in query.parameters]
    check_specs(specs)
    return resolve_parameters(specs, query.example if given is None else given, at, "Europe/Berlin")


def run(query: DemoQuery, connectors: Connectors, params: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for batch in batches(query, connectors, params) for row in batch.to_pylist()]


def count(query: DemoQuery, connectors: Connectors, params: dict[str, Any]) -> int:
    return sum(batch.num_rows for batch in batches(query, connectors, params))


def batches(query: DemoQuery, connectors: Connectors, params: dict[str, Any]) -> Iterator[pa.RecordBatch]:
    verdict = check_sql(query.sql, DIALECTS[query.source][0])
    assert verdict.text is not None
    with connectors[query.source].stream(Query(verdict.text, params), control()) as reader:
        yield from reader


@every_query
def test_the_guard_allows_it_and_its_parameters_are_declared(query: DemoQuery) -> None:
    for dialect in DIALECTS[query.source]:
        verdict = check_sql(query.sql, dialect)
        assert verdict.allowed, (dialect, verdict.reason)
        assert set(find_parameters(query.sql, dialect)) == {spec["name"] for spec in query.parameters}


@every_query
def test_it_gives_the_rows_that_it_promises(query: DemoQuery, connectors: Connectors) -> None:
    params = values(query)
    assert count(query, connectors, params) == query.expected_rows(params)


@pytest.mark.parametrize(
    "query", [query for query in QUERIES.values() if query.parameters], ids=lambda query: query.key
)
def test_its_defaults_give_rows(query: DemoQuery, connectors: Connectors) -> None:
    params = values(query, {})
    found, expected = count(query, connectors, params), query.expected_rows(params)
    assert found == expected if expected is not None else found > 0


def test_every_query_says_what_it_is() -> None:
    names = [query.name for query in QUERIES.values()]
    assert len(set(names)) == len(names)
    for query in QUERIES.values():
        assert 40 < len(query.description) < 300, query.key
        assert query.description.endswith(".")


def test_the_promised_counts_of_flights_are_those_of_the_csv_files(csv_flights: Rows) -> None:
    known = {"NA"} | {row["tailnum"] for row in csv_rows("planes")}
    late = QUERIES["longest_delays"].example["minutes"]
    day = date.fromisoformat(QUERIES["daily_departures"].example["day"])
    counted = {
        "carrier_scorecard": len({(row["month"], row["carrier"]) for row in csv_flights}),
        "daily_departures": sum(
            (row["origin"], row["month"], row["day"]) == ("EWR", str(day.month), str(day.day)) for row in csv_flights
        ),
        "longest_delays": sum(row["dep_delay"] != "NA" and int(row["dep_delay"]) >= late for row in csv_flights),
        "unknown_aircraft": len(
            {(row["tailnum"], row["carrier"]) for row in csv_flights if row["tailnum"] not in known}
        ),
        "departures_by_airline": len({row["carrier"] for row in csv_flights}),
        "every_flight": len(csv_flights),
    }
    assert {key: QUERIES[key].row_count for key in counted} == counted


def test_the_scorecard_counts_every_flight_once(connectors: Connectors, csv_flights: Rows) -> None:
    found = run(QUERIES["carrier_scorecard"], connectors, {})
    flights = Counter((int(row["month"]), row["carrier"]) for row in csv_flights)
    cancelled = Counter((int(row["month"]), row["carrier"]) for row in csv_flights if row["dep_time"] == "NA")
    assert {(row["month"], row["carrier"]): row["flights"] for row in found} == flights
    assert sum(row["cancelled"] for row in found) == cancelled.total() == 8_255
    united = next(row for row in found if (row["month"], row["carrier"]) == (1, "UA"))
    delays = [
        int(row["dep_delay"])
        for row in csv_flights
        if (row["month"], row["carrier"]) == ("1", "UA") and row["dep_delay"] != "NA"
    ]
    assert united["average_departure_delay"] == pytest.approx(sum(delays) / len(delays), abs=0.051)


def test_the_weather_report_loses_no_flight(connectors: Connectors, csv_flights: Rows) -> None:
    found = run(QUERIES["weather_against_delays"], connectors, {})
    readings = {(row["origin"], row["time_hour"]) for row in csv_rows("weather")}
    without = sum((row["origin"], row["time_hour"]) not in readings for row in csv_flights)
    assert sum(row["flights"] for row in found) == len(csv_flights)
    assert sum(row["flights"] for row in found if row["weather"] == "no reading") == without == 1_556


def test_the_departure_board_has_a_day_for_29_february(connectors: Connectors) -> None:
    query = QUERIES["daily_departures"]
    found = run(query, connectors, values(query, {}, datetime(2028, 2, 29, 12, tzinfo=UTC)))
    assert {row["flight_date"] for row in found} == {date(2013, 3, 1)}


def test_revenue_is_exact_to_the_last_digit(connectors: Connectors) -> None:
    query = QUERIES["revenue_by_currency"]
    params = values(query)
    found = {row["currency"]: Decimal(repr(row["revenue"])) for row in run(query, connectors, params)}
    assert found == totals(params["first_day"], params["last_day"]).money
