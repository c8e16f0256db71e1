"""The Report Hub database itself, on SQLite, MariaDB and PostgreSQL."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import delete

from shared.db.database import Database
from shared.db.migrate import upgrade
from shared.db.models import Base, Tenant
from tests.services.databases import TestDatabase

KINDS = ("sqlite", "mariadb", "postgresql")
_FIXTURES = {"mariadb": "mariadb_database", "postgresql": "postgres_database"}
_SERVERS = {"mariadb": "mariadb_server", "postgresql": "postgres_server"}


@pytest.fixture(params=KINDS)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a database in which nothing is."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'hub' / 'report_hub.sqlite'}"
    served: TestDatabase = request.getfixturevalue(_FIXTURES[request.param])
    return served.url


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("schema") / "report_hub.sqlite"
    database = Database(f"sqlite:///{path}")
    upgrade(database)
    database.close()
    return path


@pytest.fixture
def sqlite_hub(tmp_path: Path, migrated_sqlite: Path) -> Iterator[Database]:
    """A migrated database in a file of its own."""
    database = Database(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path)}")
    yield database
    database.close()


@pytest.fixture(scope="session")
def served_hub(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Database]]:
    """Migrated databases on servers, made when first asked for: migrating one for each test would take minutes."""
    from tests.services.databases import _fresh

    made: dict[str, Database] = {}
    with ExitStack() as stack:

        def of_kind(kind: str) -> Database:
            if kind not in made:
                options = " CHARACTER SET utf8mb4" if kind == "mariadb" else ""
                served = stack.enter_context(
                    _fresh(request.getfixturevalue(_SERVERS[kind]), f"CREATE DATABASE {{}}{options}")
                )
                made[kind] = Database(served.url)
                stack.callback(made[kind].close)
                upgrade(made[kind])
            return made[kind]

        yield of_kind


@pytest.fixture(params=KINDS)
def hub_database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A migrated database without rows, of each kind."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_hub")
        return
    database: Database = request.getfixturevalue("served_hub")(request.param)
    yield database
    with database.transaction() as session:
        for table in reversed(Base.metadata.sorted_tables):
            if table is not Tenant.__table__:
                session.execute(delete(table))


def url_of(database: Database) -> str:
    """For another process."""
    return database.engine.url.render_as_string(hide_password=False)
