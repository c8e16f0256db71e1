"""The host of the tick: comes by at once, on time, never twice at a time, whatever the clock does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scheduler.host import TickHost

TICK = timedelta(milliseconds=30)


class Ticks:
    """Counts calls; `wait(n)` returns when so many more have come."""

    def __init__(self) -> None:
        self.count = 0
        self.running = 0
        self.most_at_once = 0
        self.seconds = 0.0
        self._changed = threading.Condition()

    def __call__(self) -> None:
        with self._changed:
            self.running += 1
            self.most_at_once = max(self.most_at_once, self.running)
        time.sleep(self.seconds)
        with self._changed:
            self.running -= 1
            self.count += 1
            self._changed.notify_all()

    def wait(self, more: int, timeout: float = 10) -> bool:
        with self._changed:
            wanted = self.count + more
            return self._changed.wait_for(lambda: self.count >= wanted, timeout)


class MovedClock(datetime):
    """What APScheduler takes for the time."""

    shift = timedelta(0)

    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return datetime.now(tz or UTC) + cls.shift


@pytest.fixture
def move_clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[timedelta], None]]:
    for module in ("apscheduler.schedulers.base", "apscheduler.executors.base", "scheduler.host"):
        monkeypatch.setattr(f"{module}.datetime", MovedClock)

    def move(shift: timedelta) -> None:
        MovedClock.shift += shift

    yield move
    MovedClock.shift = timedelta(0)


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def host(ticks: Ticks) -> Iterator[TickHost]:
    host = TickHost(ticks, TICK)
    yield host
    host.stop()


def test_it_ticks_at_once_and_again_and_stops(host: TickHost, ticks: Ticks) -> None:
    assert not host.is_running
    host.start()
    assert host.is_running
    assert ticks.wait(5)
    host.stop()
    assert not host.is_running
    count = ticks.count
    assert not ticks.wait(1, timeout=0.2)
    assert ticks.count == count


def test_a_tick_that_takes_longer_than_the_interval_is_alone_and_the_next_is_not_dropped(
    host: TickHost, ticks: Ticks
) -> None:
    ticks.seconds = 0.1
    host.start()
    assert ticks.wait(4)
    assert ticks.most_at_once == 1


@pytest.mark.parametrize("late", [timedelta(seconds=30), timedelta(days=400)])
def test_a_clock_that_goes_forward_drops_no_tick_and_makes_no_storm(
    host: TickHost, ticks: Ticks, move_clock: Callable[[timedelta], None], late: timedelta
) -> None:
    host.start()
    assert ticks.wait(2)
    before, started = ticks.count, time.monotonic()
    move_clock(late)
    assert ticks.wait(3)
    assert ticks.count - before <= (time.monotonic() - started) / TICK.total_seconds() + 3


def test_a_clock_that_goes_back_does_not_put_the_tick_to_sleep(
    host: TickHost, ticks: Ticks, move_clock: Callable[[timedelta], None]
) -> None:
    host.start()
    assert ticks.wait(2)
    move_clock(timedelta(hours=-1))
    assert ticks.wait(5, timeout=5)


def test_a_tick_that_was_held_up_for_seconds_is_not_dropped_as_missed(
    host: TickHost, ticks: Ticks, move_clock: Callable[[timedelta], None], caplog: pytest.LogCaptureFixture
) -> None:
    host.start()
    assert ticks.wait(2)
    move_clock(timedelta(seconds=20))  # as after a sleep of the machine: far over APScheduler's default of one second
    assert ticks.wait(2)
    assert [record for record in caplog.records if "missed" in record.getMessage()] == []
