"""Hosts the tick in APScheduler and remembers how it went."""

from __future__ import annotations

import os
import socket
import threading
from datetime import datetime

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy.exc import SQLAlchemyError

from scheduler.dispatch import Dispatcher
from scheduler.slots import BATCH, SlotMaker
from shared.errors import ReportHubError
from shared.services import EngineClient
from shared.web import ServiceContext

_LATE_IS_FINE = None
"""APScheduler drops a tick that is more than a second late by default; ours looks at the database, so late is fine."""


class TickRunner:
    """One interval job: fire what is due, nudge the engine, until nothing is due."""

    def __init__(self, context: ServiceContext) -> None:
        self._context = context
        self.actor = f"scheduler:{socket.gethostname()}:{os.getpid()}"[:128]
        self.engine = EngineClient(context.settings.engine_address, context.identity, "scheduler")
        self.slots = SlotMaker(context.database, context.clock, self.actor, context.settings.max_attempts)
        self.dispatcher = Dispatcher(self.engine)
        self.started_at = context.clock.now()
        self.last_tick_at: datetime | None = None
        self.last_error: str | None = None
        self.fired_count = 0
        self.missed_count = 0
        self._busy = threading.Lock()
        self._log = structlog.get_logger()
        self._host = BackgroundScheduler(timezone="UTC", executors={"default": ThreadPoolExecutor(1)})

    def start(self) -> None:
        self._host.add_job(
            self.tick,
            "interval",
            seconds=self._context.settings.tick.total_seconds(),
            id="tick",
            coalesce=True,
            max_instances=1,
            misfire_grace_time=_LATE_IS_FINE,
        )
        self._host.start()

    def stop(self) -> None:
        if self._host.running:
            self._host.shutdown(wait=True)
        self.engine.close()

    @property
    def is_running(self) -> bool:
        return bool(self._host.running)

    def tick(self) -> None:
        """Never raises: what goes wrong is in `last_error`, and the next tick tries again."""
        with self._busy:
            try:
                self._fire_all()
                self.last_tick_at, self.last_error = self._context.clock.now(), None
            except (SQLAlchemyError, ReportHubError) as error:
                self.last_error = (
                    error.message if isinstance(error, ReportHubError) else "The database does not answer."
                )
                self._log.warning("tick failed, the next one tries again", exc_info=error)

    def _fire_all(self) -> None:
        while True:
            fired = self.slots.tick()
            self.fired_count += len(fired.execution_ids)
            self.missed_count += fired.missed_count
            if fired.execution_ids:
                self._log.info("slots fired", executions=len(fired.execution_ids), missed=fired.missed_count)
                self.dispatcher.nudge(fired.execution_ids)
            if fired.schedule_count < BATCH:
                return
