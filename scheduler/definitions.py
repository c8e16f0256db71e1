"""Reads and mends the schedules themselves: what is active, what is due when, and next times that are wrong."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from scheduler.slots import is_waiting
from shared.clock import Clock
from shared.db.database import Database
from shared.db.models import Report, Schedule
from shared.errors import NotFound, ReportHubError
from shared.scheduling import expected_next

_BATCH = 500
"""Schedules that one transaction of a reload holds: the tick passes over locked ones, so it must be brief."""


@dataclass(slots=True)
class Reloaded:
    """What a reload found. `changed` are schedules whose next time was recomputed.

    `last_id` is set when there may be more after it.
    """

    active_count: int = 0
    changed: list[int] = field(default_factory=list)
    broken: dict[int, str] = field(default_factory=dict)
    last_id: int | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """A schedule and when it fires next."""

    schedule: Schedule
    report_name: str


class Definitions:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def reload(self, tenant_id: int | None = None) -> Reloaded:
        """Read all schedules again and recompute the next times that do not fit their definition.

        A next time that lies in the past stays: it is a slot that still has to fire, and a reload loses none.
        """
        whole, last_id = Reloaded(), 0
        while True:
            batch = self._database.run(partial(self._reload_batch, tenant_id, last_id))
            whole.active_count += batch.active_count
            whole.changed += batch.changed
            whole.broken |= batch.broken
            if batch.last_id is None:
                return whole
            last_id = batch.last_id

    def _reload_batch(self, tenant_id: int | None, after_id: int, session: Session) -> Reloaded:
        statement = select(Schedule).where(Schedule.id > after_id, *_of(tenant_id)).order_by(Schedule.id).limit(_BATCH)
        schedules = session.scalars(statement.with_for_update()).all()
        now = self._clock.now()  # after the locks: what fired while we waited is over
        found = Reloaded(last_id=schedules[-1].id if len(schedules) == _BATCH else None)
        alike: dict[datetime | None, list[int]] = defaultdict(list)
        for schedule in schedules:
            found.active_count += schedule.is_active
            try:
                wanted = expected_next(schedule, now)
            except ReportHubError as error:
                found.broken[schedule.id] = error.message
                continue
            if wanted != schedule.next_run_at:
                alike[wanted].append(schedule.id)
        for wanted, ids in alike.items():
            changed = update(Schedule).where(Schedule.id.in_(ids)).values(next_run_at=wanted)
            session.execute(changed.execution_options(synchronize_session=False))
            found.changed += ids
        return found

    def due(self, tenant_id: int, limit: int, offset: int) -> tuple[list[Due], int]:
        """Active schedules by their next time, and how many there are."""
        with self._database.scoped(tenant_id) as session:
            total = session.scalar(select(func.count()).select_from(Schedule).where(is_waiting())) or 0
            statement = select(Schedule, Report.name).join(Report, Report.id == Schedule.config_id).where(is_waiting())
            rows = session.execute(statement.order_by(Schedule.next_run_at, Schedule.id).limit(limit).offset(offset))
            return [Due(schedule, name) for schedule, name in rows], total

    def next_due(self, tenant_id: int) -> datetime | None:
        """When the next schedule is due."""
        with self._database.scoped(tenant_id) as session:
            statement = select(Schedule.next_run_at).where(is_waiting()).order_by(Schedule.next_run_at, Schedule.id)
            return session.scalar(statement.limit(1))

    def counts(self, tenant_id: int) -> tuple[int, int]:
        """Active and inactive schedules."""
        with self._database.scoped(tenant_id) as session:
            statement = select(Schedule.is_active, func.count()).group_by(Schedule.is_active)
            counts = {bool(active): count for active, count in session.execute(statement)}
        return counts.get(True, 0), counts.get(False, 0)

    def get(self, tenant_id: int, schedule_id: int) -> Schedule:
        """Raises NotFound."""
        with self._database.scoped(tenant_id) as session:
            schedule = session.get(Schedule, schedule_id)
        if schedule is None:
            raise NotFound("There is no schedule with this id.")
        return schedule


def _of(tenant_id: int | None) -> tuple[ColumnElement[bool], ...]:
    return () if tenant_id is None else (Schedule.tenant_id == tenant_id,)
