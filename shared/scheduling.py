"""When a schedule comes next: one rule for saving it, reloading it and showing it."""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.cron import parse
from shared.db.models import Schedule


def expected_next(schedule: Schedule, now: datetime) -> datetime | None:
    """What `next_run_at` should be: a slot that is due already stays, else the next one from now (UTC)."""
    if not schedule.is_active:
        return None
    if schedule.next_run_at is not None and schedule.next_run_at <= now:
        return schedule.next_run_at
    return first_slot(schedule, now)


def first_slot(schedule: Schedule, now: datetime) -> datetime | None:
    """The first slot from now on, within `start_at` and `end_at`; None when nothing is to come."""
    is_future = schedule.start_at is not None and schedule.start_at > now
    after = schedule.start_at - timedelta(microseconds=1) if is_future and schedule.start_at else now
    following = parse(schedule.cron_expression).next(after, schedule.timezone)
    if following is None or (schedule.end_at is not None and following > schedule.end_at):
        return None
    return following
