"""What an error of a database driver means for us, and the sentence for people."""

from __future__ import annotations

from typing import Any

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from shared.errors import ReportHubError, ServiceUnavailable, StorageFull

# MySQL: deadlock, lock wait timeout, record changed since last read.
# PostgreSQL: serialization failure, deadlock, lock timeout.
_CONFLICTS = {1213, 1205, 1020, "40001", "40P01", "55P03"}
# A table or a column that is not there.
_OTHER_SCHEMA = {1146, 1054, "42P01", "42703"}
_OTHER_SCHEMA_SQLITE = ("no such table", "no such column", "has no column")
# MySQL: table is full, disk full. PostgreSQL: disk full.
_FULL = {1114, 1021, "53100"}


def is_conflict(error: DBAPIError) -> bool:
    """True when another transaction was in the way and the same work may succeed a moment later."""
    return _code(error) in _CONFLICTS or "database is locked" in str(error.orig)


def database_error(error: DBAPIError) -> ReportHubError | None:
    """The error for people when it is about the database itself; None for what the statement did (unique keys …)."""
    if is_conflict(error):
        return ServiceUnavailable("Others were changing the same rows of the Report Hub database.", hint="Try again.")
    text = str(error.orig)
    if _code(error) in _OTHER_SCHEMA or any(words in text for words in _OTHER_SCHEMA_SQLITE):
        message = "The Report Hub database does not have the schema of this version."
        return ServiceUnavailable(message, hint="Run: report-hub migrate")
    if _code(error) in _FULL or "disk is full" in text:
        return StorageFull("The disk of the Report Hub database is full.", hint="Make room, then try again.")
    if isinstance(error, (OperationalError, InterfaceError)):
        return ServiceUnavailable("The Report Hub database does not answer.", hint="Try again in a moment.")
    return None


def _code(error: DBAPIError) -> Any:
    """The SQLSTATE of PostgreSQL or the number of MySQL."""
    state = getattr(error.orig, "pgcode", None)
    if state is not None:
        return state
    arguments = getattr(error.orig, "args", ())
    return arguments[0] if arguments else None
