"""Connections, transactions and the tenant's scope, on SQLite, MySQL/MariaDB and PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import ORMExecuteState, Session, UOWTransaction, with_loader_criteria

from shared.db.models.base import TenantOwned
from shared.errors import ServiceUnavailable

T = TypeVar("T")
DEFAULT_TENANT = 1
_RETRIES = 6
# MySQL: deadlock, lock wait timeout, record changed since last read. PostgreSQL: serialization failure, deadlock.
_CONFLICTS_MYSQL = {1213, 1205, 1020}
_CONFLICTS_POSTGRES = {"40001", "40P01"}


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
        with Session(self._writing, expire_on_commit=False) as session, _translated(), session.begin():
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A reading transaction over all tenants."""
        with Session(self.engine, expire_on_commit=False) as session, _translated(), session.begin():
            yield session

    @contextmanager
    def scoped(self, tenant_id: int, *, is_write: bool = False) -> Iterator[Session]:
        """A transaction that sees and writes only the rows of one tenant."""
        engine = self._writing if is_write else self.engine
        with Session(engine, expire_on_commit=False) as session, _translated():
            _confine(session, tenant_id)
            with session.begin():
                yield session

    def run(self, work: Callable[[Session], T]) -> T:
        """Do `work` in a writing transaction; after a deadlock or a lost race of locks, do it again."""
        for attempt in range(_RETRIES):
            try:
                with self.transaction() as session:
                    return work(session)
            except DBAPIError as error:
                if attempt == _RETRIES - 1 or not is_conflict(error):
                    raise
                time.sleep(0.01 * 2**attempt)
        raise AssertionError("unreachable")

    def check(self) -> None:
        """Raise ServiceUnavailable unless the database answers."""
        with self.reading() as session:
            session.execute(text("SELECT 1"))

    def close(self) -> None:
        self.engine.dispose()


def is_conflict(error: DBAPIError) -> bool:
    """True when another transaction was in the way and the same work may succeed a moment later."""
    original: Any = error.orig
    if getattr(original, "pgcode", None) in _CONFLICTS_POSTGRES:
        return True
    arguments = getattr(original, "args", ())
    if arguments and arguments[0] in _CONFLICTS_MYSQL:
        return True
    return "database is locked" in str(original)


def _make_engine(url: str, pool_size: int) -> Engine:
    parsed = make_url(url)
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        engine = create_engine(parsed, connect_args={"timeout": 30, "check_same_thread": False}, pool_size=pool_size)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    if backend in ("mysql", "mariadb"):
        parsed = parsed.set(drivername="mysql+pymysql", query={"charset": "utf8mb4", **parsed.query})
    elif backend == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg2")
    engine = create_engine(
        parsed,
        isolation_level="READ COMMITTED",
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
        pool_recycle=1800,
        hide_parameters=True,
    )
    if backend in ("mysql", "mariadb"):
        event.listen(engine, "connect", _prepare_mysql)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
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
    """The one place where a tenant's scope is applied: to every ORM SELECT, UPDATE and DELETE, and to every new row."""

    @event.listens_for(session, "do_orm_execute")
    def _filter(state: ORMExecuteState) -> None:
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
def _translated() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        if is_conflict(error):
            raise
        raise ServiceUnavailable("The Report Hub database does not answer.", hint="Try again in a moment.") from error
