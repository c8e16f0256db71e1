"""Decides what happens to the due slots of a schedule: which are executed, which only noted, and what comes next."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

from shared.cron import Cron, parse
from shared.db.models import Schedule
from shared.errors import ReportHubError

AT_ONCE = 100
"""Slots of one schedule that get a row in one tick. Missed ones beyond it are summed up; others wait for the next."""
_MAX_WALK = 10_000
"""Missed slots that are counted one by one; of a longer outage only the end is looked at closely."""
_WINDOWS = (1, 31, 366, 3660)
"""Days before now in which the latest missed slots are looked for then."""
_INSTANT = timedelta(microseconds=1)


@dataclass(slots=True)
class Verdict:
    """What becomes of the due slots of one schedule.

    Attributes:
        runs, missed: slots, oldest first.
        first_missed: where a row stands for several, the oldest of them.
        summed_up: how many older missed slots the first row of `missed` stands for.
        is_exact: False when there were even more than that.
        following: the next time of the schedule; it may be due itself. None: nothing is to come.
        broken: why the schedule cannot go on.
    """

    runs: list[datetime] = field(default_factory=list)
    missed: list[datetime] = field(default_factory=list)
    first_missed: datetime | None = None
    summed_up: int = 0
    is_exact: bool = True
    following: datetime | None = None
    broken: str | None = None

    @property
    def latest(self) -> datetime:
        return (self.runs or self.missed)[-1]


def judge(schedule: Schedule, now: datetime, patience: timedelta) -> Verdict:
    """Apply the schedule's misfire policy to its slots from `next_run_at` to now.

    Args:
        patience: so late a tick may be without anything being wrong, whatever the grace.
    """
    first = schedule.next_run_at
    assert first is not None
    try:
        cron = parse(schedule.cron_expression)
        verdict = _Due(cron, schedule, first, now, patience).judged()
        verdict.following = _within(schedule, cron.next(verdict.latest, schedule.timezone))
    except ReportHubError as error:
        # This slot was computed when the definition was still good; there will be no further one.
        return Verdict(runs=[first], broken=error.message)
    return verdict


class _Due:
    def __init__(self, cron: Cron, schedule: Schedule, first: datetime, now: datetime, patience: timedelta) -> None:
        grace = max(timedelta(seconds=schedule.misfire_grace_seconds), patience)
        self._cron = cron
        self._zone = schedule.timezone
        self._policy = schedule.misfire_policy
        self._first = first
        self._until = now if schedule.end_at is None else min(now, schedule.end_at)
        self._in_time_from = first if self._policy == "fire_all" else max(first, now - grace)

    def judged(self) -> Verdict:
        verdict = Verdict()
        if self._first < self._in_time_from:
            self._note_missed(verdict, min(self._in_time_from - _INSTANT, self._until))
        verdict.runs = list(islice(self._from(self._in_time_from, self._until), AT_ONCE))
        if self._policy == "fire_once" and not verdict.runs:
            verdict.runs = [verdict.missed.pop()]
        return verdict

    def _note_missed(self, verdict: Verdict, until: datetime) -> None:
        latest: deque[datetime] = deque(maxlen=AT_ONCE)
        count = 0
        for slot in islice(self._from(self._first, until), _MAX_WALK):
            latest.append(slot)
            count += 1
        if count == _MAX_WALK:
            latest, verdict.is_exact = self._end_of(latest, until), False
        verdict.missed = list(latest)
        verdict.summed_up = count - len(latest)
        verdict.first_missed = self._first

    def _end_of(self, walked: deque[datetime], until: datetime) -> deque[datetime]:
        for days in _WINDOWS:
            start = max(walked[-1], until - timedelta(days=days))
            latest = deque(self._from(start, until), AT_ONCE)
            if latest:
                return latest
        return walked

    def _from(self, start: datetime, until: datetime) -> Iterator[datetime]:
        """Slots with start <= slot <= until; `next_run_at` itself counts, whatever cron says today."""
        if start == self._first:
            yield start
        yield from self._cron.between(start if start == self._first else start - _INSTANT, until, self._zone)


def _within(schedule: Schedule, slot: datetime | None) -> datetime | None:
    return None if slot is None or (schedule.end_at is not None and slot > schedule.end_at) else slot
