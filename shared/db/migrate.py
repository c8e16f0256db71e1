"""Brings the database to the newest schema, once, however many processes start together."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url

import migrations
from shared.db.database import Database
from shared.errors import ServiceUnavailable

_LOCK = "report_hub_migration"
_LOCK_NUMBER = 7_261_480_113


def upgrade(database: Database, revision: str = "head") -> str:
    """Migrate up to `revision`; return the revision the database is at. Waits while another process migrates."""
    with _locked(database) as connection:
        command.upgrade(_config(connection), revision)
        return _current(connection) or ""


def downgrade(database: Database, revision: str) -> str:
    """Migrate down to `revision` (`base` removes everything)."""
    with _locked(database) as connection:
        command.downgrade(_config(connection), revision)
        return _current(connection) or ""


def check_schema(database: Database) -> None:
    """Raise ServiceUnavailable unless the database is at the newest schema."""
    with database.engine.connect() as connection:
        current = _current(connection)
    head = ScriptDirectory.from_config(_config(None)).get_current_head()
    if current != head:
        raise ServiceUnavailable(
            f"The database has schema {current or 'none'}, this version needs {head}.", hint="Run: report-hub migrate"
        )


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _config(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["connection"] = connection
    return config


@contextmanager
def _locked(database: Database) -> Iterator[Connection]:
    if database.dialect == "sqlite":
        file = make_url(str(database.engine.url)).database or ""
        if file and file != ":memory:":
            Path(file).parent.mkdir(parents=True, exist_ok=True)
        with open(f"{file}.migrating", "w") as lock, database.engine.connect() as connection:  # noqa: PTH123
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield connection
        return
    is_mysql = database.dialect in ("mysql", "mariadb")
    take = "SELECT GET_LOCK(:lock, 120)" if is_mysql else "SELECT pg_advisory_lock(:lock)"
    give = "SELECT RELEASE_LOCK(:lock)" if is_mysql else "SELECT pg_advisory_unlock(:lock)"
    name: str | int = _LOCK if is_mysql else _LOCK_NUMBER
    with database.engine.connect() as holder, database.engine.connect() as connection:
        holder.execute(text(take), {"lock": name})
        try:
            yield connection
        finally:
            holder.execute(text(give), {"lock": name})
