"""Databases that are migrated once and copied, and engines: one for all tests that do no harm, others on demand."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.db.database import Database
from shared.db.migrate import upgrade
from tests.engine.hub import Desk, EngineProcess

_FOREIGN = Path(__file__).parent / "foreign"
_ENTRY_POINTS = """
[report_hub.connectors]
scripted = report_hub_test_plugins:ScriptedSource
[report_hub.deliverers]
flaky = report_hub_test_plugins:FlakyPlace
flaky_mail = report_hub_test_plugins:FlakyMail
"""


@pytest.fixture(scope="session")
def plugin_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """PYTHONPATH on which another distribution with plug-ins is installed."""
    installed = tmp_path_factory.mktemp("installed")
    described = installed / "report_hub_test_plugins-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: report-hub-test-plugins\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text(_ENTRY_POINTS)
    return os.pathsep.join([str(installed), str(_FOREIGN)])


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("migrated") / "report_hub.sqlite"
    database = Database(f"sqlite:///{path}")
    upgrade(database)
    database.close()
    return path


@pytest.fixture
def desk(tmp_path: Path, migrated_file: Path) -> Iterator[Desk]:
    """A data folder with an embedded database."""
    with_desk = _desk(tmp_path, migrated_file)
    yield with_desk
    with_desk.database.close()


@pytest.fixture(scope="session")
def shared_desk(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Iterator[Desk]:
    with_desk = _desk(tmp_path_factory.mktemp("hub"), migrated_file)
    yield with_desk
    with_desk.database.close()


def _desk(folder: Path, migrated: Path) -> Desk:
    shutil.copy(migrated, folder / "report_hub.sqlite")
    (folder / "files").mkdir()
    return Desk(Database(f"sqlite:///{folder / 'report_hub.sqlite'}"), folder)


@pytest.fixture(scope="session")
def engine(shared_desk: Desk, plugin_path: str) -> Iterator[EngineProcess]:
    """One engine for all tests that leave it alive; ask `engine.desk` for rows."""
    limits = {
        "ALLOWED_NETWORKS": "127.0.0.0/8",
        "WORKER_MEMORY_MB": "256",
        "DELIVERY_TIMEOUT": "2",
        "PREVIEW_TIMEOUT": "4",
    }
    process = EngineProcess(shared_desk, plugin_path, ENGINE_SLOTS="6", **limits)
    yield process.ready()
    process.close()


@pytest.fixture
def start_engine(plugin_path: str) -> Iterator[Callable[..., EngineProcess]]:
    """Start engines that the test may kill."""
    started: list[EngineProcess] = []

    def start(desk: Desk, **settings: str) -> EngineProcess:
        started.append(EngineProcess(desk, plugin_path, **settings))
        return started[-1]

    yield start
    for process in started:
        process.close()


@pytest.fixture(params=["sqlite", "mariadb", "postgresql"])
def any_desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """A data folder with a database of each kind."""
    if request.param == "sqlite":
        yield request.getfixturevalue("desk")
        return
    served: Any = request.getfixturevalue(
        {"mariadb": "mariadb_database", "postgresql": "postgres_database"}[request.param]
    )
    database = Database(served.url, pool_size=10)
    upgrade(database)
    (tmp_path / "files").mkdir()
    yield Desk(database, tmp_path)
    database.close()
