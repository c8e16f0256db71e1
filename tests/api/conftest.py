"""A hub for every test, its database migrated once and then copied; the application is made once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import structlog

from shared.db.database import Database
from shared.db.migrate import upgrade
from tests.api.hub import Hub

MakeHub = Callable[..., Hub]
SECRET_KEY = "6f1d2c0b9a8e7d6c5b4a39281706f5e4"
BOOTSTRAP = "bootstrap-4f3e2d1c0b9a8f7e6d5c4b3a"


@pytest.fixture(scope="session", autouse=True)
def plain_logs() -> Iterator[None]:
    """structlog's own default draws tracebacks with all their variables, which takes most of a second each."""
    before = structlog.get_config()
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()])
    yield
    structlog.configure(**before)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the newest schema."""
    path = tmp_path_factory.mktemp("schema") / "report_hub.sqlite"
    database = Database(f"sqlite:///{path}")
    upgrade(database)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return path


@pytest.fixture(scope="session")
def open_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    hub = Hub({"data_dir": tmp_path_factory.mktemp("open") / "data", "secret_key": SECRET_KEY})
    yield hub
    hub.close()


@pytest.fixture(scope="session")
def keyed_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    data = tmp_path_factory.mktemp("keyed") / "data"
    hub = Hub({"data_dir": data, "secret_key": SECRET_KEY, "bootstrap_api_key": BOOTSTRAP}, {"X-API-Key": BOOTSTRAP})
    yield hub
    hub.close()


@pytest.fixture
def hub(open_hub: Hub, migrated: Path) -> Hub:
    """Open mode on loopback: everybody is admin."""
    open_hub.start_again(migrated)
    return open_hub


@pytest.fixture
def closed_hub(keyed_hub: Hub, migrated: Path) -> Hub:
    """With credentials; its own client has the bootstrap key."""
    keyed_hub.start_again(migrated)
    return keyed_hub


@pytest.fixture
def make_hub(migrated: Path, tmp_path: Path) -> Iterator[MakeHub]:
    """Makes hubs with settings of their own, as in `Settings`."""
    made: list[Hub] = []

    def make(headers: Mapping[str, str] | None = None, **settings: Any) -> Hub:
        made.append(Hub({"data_dir": tmp_path / "data", "secret_key": SECRET_KEY} | settings, headers))
        if "database_url" not in settings:
            made[-1].start_again(migrated)
        return made[-1]

    yield make
    for hub in made:
        hub.close()
