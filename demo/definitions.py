"""What the demo defines: datasources, reports, deliveries, recipients, schedules, in the form of the API's bodies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REFUSED = "left-the-company@shop.example"
"""The mailbox that the demo's mail server refuses, so that there is a dead letter to look at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoDelivery:
    """A delivery of a report. `config` goes on top of the method's common configuration."""

    name: str
    method: str
    config: Mapping[str, Any] = field(default_factory=dict)
    recipients: tuple[tuple[str, str], ...] = ()
    condition: str = "always"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSchedule:
    name: str
    cron_expression: str
    timezone: str = "Europe/Berlin"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoReport:
    """A report on one of the queries. With `is_executed` the demo executes it at once."""

    query: str
    formats: tuple[str, ...]
    file_name: str
    tags: tuple[str, ...]
    format_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    deliveries: tuple[DemoDelivery, ...] = ()
    schedules: tuple[DemoSchedule, ...] = ()
    is_executed: bool = False


def _mail(name: str, subject: str, *recipients: tuple[str, str]) -> DemoDelivery:
    return DemoDelivery(name=name, method="email", config={"subject": subject}, recipients=recipients)


def _share(name: str, subfolder: str, condition: str = "always") -> DemoDelivery:
    return DemoDelivery(name=name, method="local_folder", config={"subfolder": subfolder}, condition=condition)


REPORTS = (
    DemoReport(
        query="orders_of_last_month",
        formats=("xlsx", "csv"),
        file_name="orders_{param.first_day:%Y-%m}",
        tags=("shop", "finance"),
        deliveries=(
            _mail(
                "To finance",
                "Orders of {param.first_day:%B %Y}: {rows} rows",
                ("Ζωή Παπαδοπούλου", "finance@shop.example"),
                ("Anna Müller", "controlling@shop.example"),
            ),
            _share("Share, by year", "orders/{param.first_day:%Y}"),
        ),
        schedules=(DemoSchedule(name="First of the month", cron_expression="0 7 1 * *"),),
        is_executed=True,
    ),
    DemoReport(
        query="departures_by_airline",
        formats=("pdf", "html"),
        file_name="departures_by_airline",
        tags=("flights",),
        deliveries=(
            _mail("To operations", "{report}", ("Operations", "operations@airport.example")),
            _share("Share", "flights"),
        ),
        schedules=(DemoSchedule(name="Weekdays", cron_expression="0 8 * * 1-5"),),
        is_executed=True,
    ),
    DemoReport(
        query="every_flight",
        formats=("csv", "parquet"),
        file_name="flights_2013",
        tags=("flights", "extract"),
        deliveries=(_share("Share, for the data team", "exports"),),
        schedules=(DemoSchedule(name="Sundays", cron_expression="30 5 * * sun", timezone="America/New_York"),),
        is_executed=True,
    ),
    DemoReport(
        query="customers",
        formats=("xlsx", "json", "pdf"),
        file_name="customers",
        tags=("shop",),
        deliveries=(_share("Share", "shop"),),
        is_executed=True,
    ),
    DemoReport(
        query="price_list",
        formats=("xlsx",),
        file_name="price_list_{date}",
        tags=("shop",),
        deliveries=(
            _mail(
                "To buyers",
                "Price list of {date}",
                ("Büşra Yılmaz", "buyers@shop.example"),
                ("Somebody who left", REFUSED),
            ),
        ),
        is_executed=True,
    ),
    DemoReport(
        query="orders_that_do_not_add_up",
        formats=("csv",),
        file_name="orders_that_do_not_add_up",
        tags=("shop", "control"),
        deliveries=(_share("Share, only when something is found", "controls", "has_rows"),),
        schedules=(DemoSchedule(name="Every hour", cron_expression="@hourly", timezone="UTC"),),
        is_executed=True,
    ),
    DemoReport(
        query="stock_below",
        formats=("csv", "json"),
        file_name="stock_{date}_{time}",
        tags=("shop",),
        deliveries=(_share("Share", "stock"),),
        schedules=(DemoSchedule(name="Every minute", cron_expression="* * * * *"),),
    ),
    DemoReport(query="carrier_scorecard", formats=("xlsx", "pdf"), file_name="carriers", tags=("flights",)),
    DemoReport(query="daily_departures", formats=("csv",), file_name="departures_{param.origin}", tags=("flights",)),
)


def datasources(folder: Path) -> dict[str, dict[str, Any]]:
    """Bodies of the datasources by the name that queries use; `folder` holds the data."""
    files = {
        "flights_sqlite": ("Flights (SQLite)", "sqlite", "flights.sqlite", "All flights from New York in 2013."),
        "flights_duckdb": ("Flights (DuckDB)", "duckdb", "flights.duckdb", "The same flights, for analysis."),
        "shop": ("Shop", "sqlite", "shop.sqlite", "A generated shop with awkward values."),
    }
    return {
        key: {
            "name": name,
            "type": kind,
            "connection_config": {"path": str(folder / file)},
            "description": words,
        }
        for key, (name, kind, file, words) in files.items()
    }
