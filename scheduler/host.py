"""APScheduler as the host of the tick, made safe against clocks that jump.

APScheduler thinks in wall-clock times. Left alone it would sleep for an hour after the clock went back by one, and walk
through every missed second after it went forward. What is due is decided by the database; this only has to come by.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

_JOB = "tick"
_LATE_IS_FINE = None
"""APScheduler drops what is more than a second late by default; the tick looks at the database, so late is fine."""


class TickHost:
    """Calls `tick` at once and then every `interval`, one call at a time, in a thread of its own."""

    def __init__(self, tick: Callable[[], None], interval: timedelta) -> None:
        self._tick = tick
        self._interval = interval
        self._scheduler = _SteadyScheduler(timezone=UTC, executors={"default": ThreadPoolExecutor(1)})

    def start(self) -> None:
        # It would warn of every interval that passes while a tick works through an outage.
        logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)
        self._scheduler.add_job(
            self._tick,
            _FromNow(seconds=self._interval.total_seconds(), timezone=UTC),
            id=_JOB,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=_LATE_IS_FINE,
        )
        self._scheduler.start()

    def stop(self) -> None:
        """Returns when the current call has ended."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    @property
    def is_running(self) -> bool:
        return bool(self._scheduler.running)


class _FromNow(IntervalTrigger):  # type: ignore[misc]
    """The next time is counted from now: a clock that went forward by a day gives one call and not 86,400 times."""

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        return now if previous_fire_time is None else now + self.interval


class _SteadyScheduler(BackgroundScheduler):  # type: ignore[misc]
    """Never sleeps longer than the interval: if it would, the clock has gone back."""

    def _process_jobs(self) -> Any:
        wait = super()._process_jobs()
        job = self.get_job(_JOB)
        if wait is not None and job is not None and wait > job.trigger.interval.total_seconds():
            job.modify(next_run_time=datetime.now(UTC))
            return 0
        return wait
