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
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

import migrations
from shared.db.database import Database
from shared.db.driver_errors import database_error
from shared.errors import ReportHubError, ServiceUnavailable
from shared.redaction import redact

_LOCK = "report_hub_migration"
_LOCK_NUMBER = 7_261_480_113
_LOCK_SECONDS = 120


def upgrade(database: Database, revision: str = "head") -> str:
    """Migrate up to `revision`; return the revision the database is at. Waits while another process migrates.

    Raises:
        ServiceUnavailable: the database does not answer, or its schema is newer than this version.
    """
    with _locked(database) as connection:
        _refuse_newer(_current(connection))
        command.upgrade(_config(connection), revision)
        return _current(connection) or ""


def downgrade(database: Database, revision: str) -> str:
    """Migrate down to `revision` (`base` removes everything)."""
    with _locked(database) as connection:
        _refuse_newer(_current(connection))
        command.downgrade(_config(connection), revision)
        return _current(connection) or ""


def check_schema(database: Database) -> None:
    """Raise ServiceUnavailable unless the database is at the newest schema."""
    with _explained(), database.engine.connect() as connection:
        current = _current(connection)
    _refuse_newer(current)
    head = ScriptDirectory.from_config(_config(None)).get_current_head()
    if current != head:
        raise ServiceUnavailable(
            f"The database has schema {current or 'none'}, this version needs {head}.", hint="Run: report-hub migrate"
        )


def _refuse_newer(current: str | None) -> None:
    if current is None:
        return
    try:
        ScriptDirectory.from_config(_config(None)).get_revision(current)
    except CommandError as error:
        raise ServiceUnavailable(
            f"The database has schema {current}, which this version of Report Hub does not know.",
            hint="A newer version has migrated it: start that one, or restore the backup from before.",
        ) from error


def _current(connection: Connection) -> str | None:
    current = MigrationContext.configure(connection).get_current_revision()
    connection.rollback()  # the look leaves no transaction open: Alembic begins its own
    return current


def _config(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


@contextmanager
def _locked(database: Database) -> Iterator[Connection]:
    with _explained(), _locked_file(database) if database.dialect == "sqlite" else _locked_server(database) as found:
        yield found


@contextmanager
def _locked_file(database: Database) -> Iterator[Connection]:
    file = Path(database.engine.url.database or "").absolute()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = file.with_name(f"{file.name}.migrating").open("w")
    except OSError as error:
        raise ServiceUnavailable(
            f"The folder {file.parent} cannot be written ({error.strerror}).",
            hint="Set REPORT_HUB_DATA_DIR to a folder that belongs to the user of the services.",
        ) from error
    with lock, database.engine.execution_options(is_write=True).connect() as connection:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield connection


@contextmanager
def _locked_server(database: Database) -> Iterator[Connection]:
    is_mysql = database.dialect == "mysql"
    with database.engine.connect() as holder, database.engine.connect() as connection:
        if is_mysql:
            taken = holder.execute(text("SELECT GET_LOCK(:lock, :wait)"), {"lock": _LOCK, "wait": _LOCK_SECONDS})
            if taken.scalar() != 1:
                raise ServiceUnavailable(
                    f"Another process has been migrating the database for {_LOCK_SECONDS} seconds.",
                    hint="Wait until it has finished, then start again.",
                )
        else:
            holder.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK_NUMBER})
        try:
            yield connection
        finally:
            release = "SELECT RELEASE_LOCK(:lock)" if is_mysql else "SELECT pg_advisory_unlock(:lock)"
            holder.execute(text(release), {"lock": _LOCK if is_mysql else _LOCK_NUMBER})


@contextmanager
def _explained() -> Iterator[None]:
    """At the start the driver's own words tell the operator what to mend; passwords are masked."""
    try:
        yield
    except DBAPIError as error:
        found = database_error(error) or ReportHubError("The database could not be brought to the newest schema.")
        found.hint = redact(f"{type(error.orig).__name__}: {error.orig}").strip()[:500]
        raise found from error
