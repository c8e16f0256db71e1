"""Reads and mends the schedules themselves: what is active, what is due when, and next times that are wrong."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from shared.clock import Clock
from shared.db.database import Database
from shared.db.models import Report, Schedule
from shared.errors import NotFound, ReportHubError
from shared.scheduling import expected_next


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What a reload found. `changed` are schedules whose next time was recomputed."""

    active_count: int
    changed: list[int]
    broken: dict[int, str]


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
        now = self._clock.now()

        def work(session: Session) -> Reloaded:
            changed, broken, active = [], {}, 0
            for schedule in session.scalars(select(Schedule).where(*_of(tenant_id)).with_for_update()):
                active += schedule.is_active
                try:
                    wanted = expected_next(schedule, now)
                except ReportHubError as error:
                    broken[schedule.id] = error.message
                    continue
                if wanted != schedule.next_run_at:
                    statement = update(Schedule).where(Schedule.id == schedule.id).values(next_run_at=wanted)
                    session.execute(statement.execution_options(synchronize_session=False))
                    changed.append(schedule.id)
            return Reloaded(active, changed, broken)

        return self._database.run(work)

    def due(self, tenant_id: int, limit: int, offset: int) -> tuple[list[Due], int]:
        """Active schedules by their next time, and how many there are."""
        with self._database.scoped(tenant_id) as session:
            where = (Schedule.is_active.is_(True), Schedule.next_run_at.is_not(None))
            total = session.scalar(select(func.count()).select_from(Schedule).where(*where)) or 0
            statement = select(Schedule, Report.name).join(Report, Report.id == Schedule.config_id).where(*where)
            rows = session.execute(statement.order_by(Schedule.next_run_at, Schedule.id).limit(limit).offset(offset))
            return [Due(schedule, name) for schedule, name in rows], total

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
