"""Notes an error for operators, with its cause; owners see the short form on the execution."""

from __future__ import annotations

import traceback

import structlog
from sqlalchemy.exc import SQLAlchemyError

from shared.clock import Clock
from shared.db.database import Database
from shared.db.models import ErrorEntry
from shared.errors import ReportHubError
from shared.redaction import redact


def log_error(
    database: Database,
    clock: Clock,
    tenant_id: int | None,
    error: ReportHubError,
    execution_id: str | None = None,
    cause: str = "",
) -> None:
    """Write an error_log row; a database that is down must not hide the error itself."""
    chain = cause or "".join(traceback.format_exception(error))
    entry = ErrorEntry(
        tenant_id=tenant_id,
        at=clock.now(),
        service="execution_engine",
        code=error.code,
        message=redact(error.message)[:2000],
        detail=redact(chain)[:100_000],
        execution_id=execution_id,
    )
    try:
        with database.transaction() as session:
            session.add(entry)
    except (SQLAlchemyError, ReportHubError):
        structlog.get_logger().exception("the error log cannot be written", error_code=error.code)
