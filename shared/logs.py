"""Structured logs: one event per line, JSON for machines, colours on a terminal, no secrets in either."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

from shared import __version__
from shared.redaction import redact_processor
from shared.settings import Settings

_QUIET = ("uvicorn.access", "apscheduler", "httpx", "httpcore", "botocore", "paramiko", "alembic")


def configure_logs(service: str, settings: Settings) -> None:
    """Send everything, also of libraries, as one line per event to standard error.

    Fields: ts, level, event, service, version, and what was bound (request_id, execution_id, …).
    """
    is_text = settings.log_format == "text" or (settings.log_format == "auto" and sys.stderr.isatty())
    shared_processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        _add_origin(service),
        structlog.processors.format_exc_info,
        redact_processor,
    ]
    renderer: Any = (
        structlog.dev.ConsoleRenderer(timestamp_key="ts") if is_text else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared_processors, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(settings.log_level.upper())),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared_processors,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def get_logger() -> Any:
    """A logger that takes fields: `log.info("execution claimed", execution_id=…)`."""
    return structlog.get_logger()


def _add_origin(service: str) -> Any:
    def add(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
        event["service"] = service
        event["version"] = __version__
        return event

    return add
