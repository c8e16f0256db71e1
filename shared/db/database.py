"""Connections, transactions and the tenant's scope, on SQLite, MySQL/MariaDB and PostgreSQL."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.orm import ORMExecuteState, Session, UOWTransaction, with_loader_criteria

from shared.db.driver_errors import database_error, is_conflict
from shared.db.models.base import TenantOwned
from shared.errors import InvalidInput, MissingDriver

__all__ = ["DEFAULT_TENANT", "Database", "is_conflict", "parse_database_url"]

T = TypeVar("T")
DEFAULT_TENANT = 1
_RETRIES = 6
_CONNECT_SECONDS = 10
_DRIVERS = {"mysql": "mysql+pymysql", "mariadb": "mysql+pymysql", "postgresql": "postgresql+psycopg2"}


class Database:
    """The shared database.

    Three ways in: `scoped(tenant_id)` for requests of a tenant, `transaction()` for the services' own work over all
    tenants, and `run(work)`, which does the same and repeats the work after a deadlock.
    """

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.engine = _make_engine(url, pool_size)
        self.dialect = self.engine.dialect.name
        self._writing = self.engine.execution_options(is_write=True)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A writing transaction over all tenants: commits at the end, rolls back on an error."""
        with _translated(), self._begin(is_write=True) as session:
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A reading transaction over all tenants."""
        with _translated(), self._begin(is_write=False) as session:
            yield session

    @contextmanager
    def scoped(self, tenant_id: int, *, is_write: bool = False) -> Iterator[Session]:
        """A transaction that sees and writes only the rows of one tenant."""
        with _translated(), self._begin(is_write=is_write, tenant_id=tenant_id) as session:
            yield session

    def run(self, work: Callable[[Session], T], tenant_id: int | None = None) -> T:
        """Do `work` in a writing transaction (of one tenant); after a deadlock or a lost race of locks, do it again.

        Raises:
            ServiceUnavailable: others were in the way each time, or the database does not answer.
        """
        for attempt in range(_RETRIES):
            try:
                translated = _translated(keeps_conflicts=attempt < _RETRIES - 1)
                with translated, self._begin(is_write=True, tenant_id=tenant_id) as session:
                    return work(session)
            except DBAPIError as error:
                if not is_conflict(error):
                    raise
                time.sleep(0.01 * 2**attempt * random.uniform(0.5, 1.5))  # noqa: S311 - only to step aside
        raise AssertionError("unreachable")

    @contextmanager
    def _begin(self, *, is_write: bool, tenant_id: int | None = None) -> Iterator[Session]:
        with Session(self._writing if is_write else self.engine, expire_on_commit=False) as session:
            if tenant_id is not None:
                _confine(session, tenant_id)
            with session.begin():
                yield session

    def check(self) -> None:
        """Raise ServiceUnavailable unless the database answers."""
        with self.reading() as session:
            session.execute(text("SELECT 1"))

    def close(self) -> None:
        self.engine.dispose()


def parse_database_url(url: str) -> tuple[URL, str]:
    """The URL with our driver, and the kind of database: sqlite, mysql (MariaDB as well) or postgresql.

    Raises:
        InvalidInput: it cannot be read, or names another kind of database. The URL itself is not repeated.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise InvalidInput(
            "The URL of the Report Hub database cannot be read.",
            hint="Write it like mysql://user:password@host/database, or sqlite:////folder/file.",
        ) from None
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        if parsed.database in (None, "", ":memory:"):
            raise InvalidInput("The Report Hub database cannot be in memory: its processes share a file.")
        return parsed, backend
    if backend not in _DRIVERS:
        raise InvalidInput("The Report Hub database must be sqlite, mysql, mariadb or postgresql.")
    parsed = parsed.set(drivername=_DRIVERS[backend])
    return parsed, parsed.get_backend_name()


def _make_engine(url: str, pool_size: int) -> Engine:
    parsed, backend = parse_database_url(url)
    if backend == "sqlite":
        engine = create_engine(parsed, connect_args={"timeout": 30, "check_same_thread": False}, pool_size=pool_size)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    if backend == "mysql":
        parsed = parsed.set(query={"charset": "utf8mb4", **parsed.query})
    try:
        engine = create_engine(
            parsed,
            isolation_level="READ COMMITTED",
            pool_size=pool_size,
            max_overflow=pool_size,
            connect_args={"connect_timeout": _CONNECT_SECONDS},
            pool_pre_ping=True,
            pool_recycle=1800,
            hide_parameters=True,
        )
    except ModuleNotFoundError as error:
        raise MissingDriver(
            f"The Report Hub database needs {error.name}, which is not installed on this server.",
            hint=f'Install it with: pip install "report-hub[{backend}]"',
        ) from error
    if backend == "mysql":
        event.listen(engine, "connect", _prepare_mysql)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    # SQLite's own lower() knows ASCII only: a search would not even find ÄRGER as ÄRGER.
    connection.create_function("lower", 1, lambda text: text.lower() if text else text, deterministic=True)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    # A writer that starts as a reader can fail later with "database is locked" without waiting; so it says so at once.
    is_write = connection.get_execution_options().get("is_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")


def _prepare_mysql(connection: Any, _record: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'")


def _confine(session: Session, tenant_id: int) -> None:
    """The one place where a tenant's scope is applied: to every ORM SELECT, UPDATE and DELETE, and to every new row.

    What cannot be confined (text, tables without their model, bulk inserts) is a mistake in our code.
    """

    @event.listens_for(session, "do_orm_execute")
    def _filter(state: ORMExecuteState) -> None:
        if state.is_insert or not state.is_orm_statement:
            raise AssertionError("this statement cannot be confined to a tenant")
        if state.is_column_load or state.is_relationship_load:
            return
        state.statement = state.statement.options(
            with_loader_criteria(TenantOwned, lambda model: model.tenant_id == tenant_id, include_aliases=True)
        )

    @event.listens_for(session, "before_flush")
    def _stamp(session: Session, _context: UOWTransaction, _instances: Any) -> None:
        for row in session.new:
            if isinstance(row, TenantOwned):
                row.tenant_id = tenant_id
        for row in (*session.dirty, *session.deleted):
            if isinstance(row, TenantOwned) and row.tenant_id != tenant_id:
                raise AssertionError("a row of another tenant was changed")


@contextmanager
def _translated(*, keeps_conflicts: bool = False) -> Iterator[None]:
    """Errors of the driver as sentences. `run` sees the conflicts themselves, because it tries again."""
    try:
        yield
    except DBAPIError as error:
        translated = database_error(error)
        if translated is None or (keeps_conflicts and is_conflict(error)):
            raise
        raise translated from error
