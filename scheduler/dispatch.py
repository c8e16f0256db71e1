"""Tells the engine that executions are waiting. Only a nudge: engines also look for themselves."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import structlog

from shared.db.database import DEFAULT_TENANT
from shared.errors import ReportHubError
from shared.services import EngineClient

_CHUNK = 1000


class Dispatcher:
    """Calls `POST /api/execute` with the ids of queued executions, in a thread of its own.

    An engine that hangs holds up no tick and no stop. The nudge needs no tenant: the ids are checked, and starting is
    decided by the database.
    """

    def __init__(self, engine: EngineClient) -> None:
        self._engine = engine
        self._waiting: list[str] = []
        self._changed = threading.Condition()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._work, name="nudge", daemon=True)
        self._log = structlog.get_logger()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """What was not told is told by the database. A call that hangs is left behind."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()

    def nudge(self, execution_ids: Sequence[str]) -> None:
        """Returns at once."""
        with self._changed:
            self._waiting += execution_ids
            self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_stopping)
                if self._is_stopping:
                    return
                execution_ids, self._waiting = self._waiting, []
            self._tell(execution_ids)

    def _tell(self, execution_ids: Sequence[str]) -> None:
        try:
            for start in range(0, len(execution_ids), _CHUNK):
                body = {"execution_ids": list(execution_ids[start : start + _CHUNK])}
                self._engine.call("POST", "/api/execute", DEFAULT_TENANT, body, timeout=5)
        except ReportHubError as error:
            if not self._is_stopping:
                self._log.warning("the engine was not told; it will see the executions by itself", error=error.message)
