"""Tells the engine that executions are waiting. Only a nudge: engines also look for themselves."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from shared.db.database import DEFAULT_TENANT
from shared.errors import ReportHubError
from shared.services import EngineClient

_CHUNK = 1000


class Dispatcher:
    """Calls `POST /api/execute` with the ids of queued executions.

    The engine's nudge needs no tenant: the ids are checked, and starting is decided by the database.
    """

    def __init__(self, engine: EngineClient) -> None:
        self._engine = engine
        self._log = structlog.get_logger()

    def nudge(self, execution_ids: Sequence[str]) -> bool:
        """True when the engine answered. A lost call is harmless."""
        try:
            for start in range(0, len(execution_ids), _CHUNK):
                body = {"execution_ids": list(execution_ids[start : start + _CHUNK])}
                self._engine.call("POST", "/api/execute", DEFAULT_TENANT, body, timeout=5)
        except ReportHubError as error:
            self._log.warning("the engine was not told; it will see the executions by itself", error=error.message)
            return False
        return True
