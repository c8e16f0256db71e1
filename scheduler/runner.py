"""Runs the tick and remembers how it went."""

from __future__ import annotations

import os
import socket
import threading
from datetime import datetime, timedelta

import structlog

from scheduler.dispatch import Dispatcher
from scheduler.host import TickHost
from scheduler.slots import SlotMaker
from shared.errors import ReportHubError
from shared.services import EngineClient
from shared.web import ServiceContext

_PATIENCE = timedelta(seconds=5)


class TickRunner:
    """One interval job: fire what is due and nudge the engine, until nothing is due."""

    def __init__(self, context: ServiceContext) -> None:
        self._context = context
        settings = context.settings
        self.actor = f"scheduler:{socket.gethostname()}:{os.getpid()}"[:128]
        self.engine = EngineClient(settings.engine_address, context.identity, "scheduler")
        patience = settings.tick * 2 + _PATIENCE
        self.slots = SlotMaker(context.database, context.clock, self.actor, settings.max_attempts, patience)
        self.dispatcher = Dispatcher(self.engine)
        self.started_at = context.clock.now()
        self.last_tick_at: datetime | None = None
        self.last_error: str | None = None
        self.fired_count = 0
        self.missed_count = 0
        self._stopping = threading.Event()
        self._log = structlog.get_logger()
        self._host = TickHost(self.tick, settings.tick)

    def start(self) -> None:
        self.dispatcher.start()
        self._host.start()

    def stop(self) -> None:
        self._stopping.set()
        self.dispatcher.stop()
        self._host.stop()
        self.engine.close()

    @property
    def is_running(self) -> bool:
        return self._host.is_running

    def tick(self) -> None:
        """Never raises: what goes wrong is in `last_error`, and the next tick tries again."""
        try:
            self._fire_all()
            self.last_tick_at, self.last_error = self._context.clock.now(), None
        except Exception as error:  # noqa: BLE001 - whatever it is, the schedules must go on
            unknown = "Something went wrong on our side; the log has the cause."
            self.last_error = error.message if isinstance(error, ReportHubError) else unknown
            self._log.warning("tick failed, the next one tries again", exc_info=error)

    def _fire_all(self) -> None:
        has_more = True
        while has_more and not self._stopping.is_set():
            fired = self.slots.tick()
            has_more = fired.has_more
            self.fired_count += len(fired.execution_ids)
            self.missed_count += fired.missed_count
            if fired.execution_ids:
                self.dispatcher.nudge(fired.execution_ids)
            if fired.schedule_count:
                self._log.info("slots fired", executions=len(fired.execution_ids), missed=fired.missed_count)
