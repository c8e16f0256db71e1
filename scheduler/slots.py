"""Fires due schedules: one execution row per slot, written in the same transaction that advances the schedule.

Any number of schedulers may do this at the same time. The unique key (schedule, logical time) decides, so a slot fires
once whoever is killed when, and what was not executed is a row, too, with its reason.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import and_, insert, or_, select, update
from sqlalchemy.orm import Session

from shared.clock import Clock
from shared.cron import parse
from shared.db.database import Database
from shared.db.executions import new_execution
from shared.db.models import AuditEntry, Execution, Report, Schedule
from shared.errors import ReportHubError
from shared.faults import crash_point

BATCH = 200
_MISSED_SHOWN = 100
"""Missed slots that get a row each; the rest of a long outage is one row that says how many."""
_MAX_WALK = 10_000
"""Missed slots that are walked through; a longer outage is summed up."""


@dataclass(frozen=True, slots=True)
class Fired:
    """What one tick did: executions to start, and rows for what was missed."""

    execution_ids: list[str]
    schedule_count: int
    missed_count: int


class SlotMaker:
    """Turns due schedules into rows of the queue."""

    def __init__(self, database: Database, clock: Clock, actor: str, max_attempts: int) -> None:
        self._database = database
        self._clock = clock
        self._actor = actor
        self._max_attempts = max_attempts
        self._log = structlog.get_logger()

    def tick(self) -> Fired:
        """Fire a batch of due schedules; call again at once while `schedule_count` equals BATCH."""
        now = self._clock.now()
        fired = self._database.run(lambda session: self._fire_due(session, now))
        crash_point("slots_committed")
        return fired

    def next_due(self) -> datetime | None:
        """When the next schedule is due."""
        with self._database.reading() as session:
            statement = select(Schedule.next_run_at).where(_is_waiting()).order_by(Schedule.next_run_at).limit(1)
            return session.scalar(statement)

    def _fire_due(self, session: Session, now: datetime) -> Fired:
        due = session.scalars(
            select(Schedule)
            .where(_is_waiting(), Schedule.next_run_at <= now)
            .order_by(Schedule.next_run_at, Schedule.id)
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        ).all()
        reports = self._reports(session, {schedule.config_id for schedule in due})
        rows: list[Execution] = []
        for schedule in due:
            rows += self._slots_of(session, schedule, reports.get(schedule.config_id), now)
        crash_point("slots_made")
        added = self._insert(session, rows)
        queued = [row.id for row in rows if row.status == "QUEUED" and row.id in added]
        return Fired(queued, len(due), len(added) - len(queued))

    def _slots_of(self, session: Session, schedule: Schedule, report: Report | None, now: datetime) -> list[Execution]:
        """The rows for all slots of one schedule up to now; the schedule is advanced."""
        assert schedule.next_run_at is not None
        due, skipped_count = self._due_slots(schedule, now)
        following = self._next(schedule, max(now, schedule.next_run_at))
        if report is None:
            rows = []
        else:
            runs = _to_run(schedule, due, now)
            rows = [self._row(report, schedule, slot, now, is_missed=slot not in runs) for slot in due]
            if skipped_count:
                rows[0].error = _missed(schedule, skipped_count + 1)
            session.flush()
        run_count = sum(1 for row in rows if row.status == "QUEUED")
        self._advance(session, schedule, following, due[-1], run_count, now)
        return rows

    def _due_slots(self, schedule: Schedule, now: datetime) -> tuple[list[datetime], int]:
        """The latest slots up to now, oldest first, and how many older ones are left out (at least that many)."""
        assert schedule.next_run_at is not None
        slots = deque([schedule.next_run_at], _MISSED_SHOWN)
        count = 1
        cron = parse(schedule.cron_expression)
        until = now if schedule.end_at is None else min(now, schedule.end_at)
        for slot in cron.between(schedule.next_run_at, until, schedule.timezone):
            slots.append(slot)
            count += 1
            if count > _MAX_WALK:  # a very long outage: only its last day is looked at closely
                last_day = cron.between(max(slot, until - timedelta(days=1)), until, schedule.timezone)
                latest = deque(last_day, _MISSED_SHOWN)
                count += len(latest)
                slots.extend(latest)
                break
        return list(slots), count - len(slots)

    def _next(self, schedule: Schedule, after: datetime) -> datetime | None:
        try:
            following = parse(schedule.cron_expression).next(after, schedule.timezone)
        except ReportHubError as error:
            self._log.error("schedule cannot go on", schedule_id=schedule.id, error=error.message)
            return None
        if following is None or (schedule.end_at is not None and following > schedule.end_at):
            return None
        return following

    def _row(self, report: Report, schedule: Schedule, slot: datetime, now: datetime, *, is_missed: bool) -> Execution:
        return new_execution(
            report,
            trigger="schedule",
            scheduled_for=slot,
            now=now,
            status="SKIPPED" if is_missed else "QUEUED",
            available_at=now + _jitter(schedule, slot),
            max_attempts=self._max_attempts,
            schedule_id=schedule.id,
            completed_at=now if is_missed else None,
            error=_missed(schedule, 1) if is_missed else None,
            parameters=schedule.parameters or {},
            request={
                "parameters": schedule.parameters or {},
                "formats": schedule.formats,
                "deliver": True,
                "delivery_ids": schedule.delivery_ids,
                "timezone": schedule.timezone,
            },
        )

    def _advance(
        self,
        session: Session,
        schedule: Schedule,
        following: datetime | None,
        last: datetime,
        run_count: int,
        now: datetime,
    ) -> None:
        # Firing is no change of the definition: `version` stays, so that an editor's save is not refused.
        values: dict[str, Any] = {"next_run_at": following}
        if run_count:
            values |= {"last_run_at": last, "run_count": Schedule.run_count + run_count}
        statement = update(Schedule).where(Schedule.id == schedule.id, Schedule.next_run_at == schedule.next_run_at)
        session.execute(statement.values(**values).execution_options(synchronize_session=False))
        session.expunge(schedule)
        session.add(
            AuditEntry(
                tenant_id=schedule.tenant_id,
                at=now,
                actor=self._actor,
                action="schedule.fired",
                object_type="schedule",
                object_id=str(schedule.id),
                after={"scheduled_for": last.isoformat(), "executions": run_count},
            )
        )

    def _insert(self, session: Session, rows: list[Execution]) -> set[str]:
        """Insert those slots that do not exist yet; return the ids that were added."""
        wanted = or_(
            *(
                and_(Execution.schedule_id == row.schedule_id, Execution.scheduled_for == row.scheduled_for)
                for row in rows
            )
        )
        existing = set()
        if rows:
            found = session.execute(select(Execution.schedule_id, Execution.scheduled_for).where(wanted))
            existing = {(schedule_id, scheduled_for) for schedule_id, scheduled_for in found}
        new = [row for row in rows if (row.schedule_id, row.scheduled_for) not in existing]
        if new:
            session.execute(insert(Execution), [_values(row) for row in new])
        return {row.id for row in new}

    @staticmethod
    def _reports(session: Session, ids: Iterable[int]) -> dict[int, Report]:
        return {report.id: report for report in session.scalars(select(Report).where(Report.id.in_(list(ids))))}


def _is_waiting() -> Any:
    return and_(Schedule.is_active.is_(True), Schedule.next_run_at.is_not(None))


def _to_run(schedule: Schedule, slots: list[datetime], now: datetime) -> set[datetime]:
    """Which of the due slots are executed, by the schedule's misfire policy; the others become SKIPPED rows."""
    grace = timedelta(seconds=schedule.misfire_grace_seconds)
    in_time = {slot for slot in slots if now - slot <= grace}
    if schedule.misfire_policy == "fire_all":
        return set(slots)
    if schedule.misfire_policy == "skip":
        return in_time
    return in_time or {slots[-1]}


def _jitter(schedule: Schedule, slot: datetime) -> timedelta:
    """Deterministic, so that a slot keeps its moment whoever computes it."""
    if not schedule.jitter_seconds:
        return timedelta(0)
    digest = hashlib.sha256(f"{schedule.id}:{slot.isoformat()}".encode()).digest()
    return timedelta(seconds=int.from_bytes(digest[:8], "big") % (schedule.jitter_seconds + 1))


def _missed(schedule: Schedule, count: int) -> dict[str, Any]:
    several = f"{count:,} slots were" if count > 1 else "This slot was"
    return {
        "code": "MISSED",
        "message": f"{several} missed while no scheduler was running; the misfire policy is {schedule.misfire_policy}.",
        "hint": "Set misfire_policy to 'fire_all' to execute every missed slot.",
        "retryable": False,
    }


def _values(row: Execution) -> dict[str, Any]:
    columns = Execution.__table__.columns
    values = {column.key: getattr(row, column.key) for column in columns}
    return {key: _default(columns[key], value) for key, value in values.items()}


def _default(column: Any, value: Any) -> Any:
    if value is not None or column.default is None:
        return value
    default = column.default.arg
    return default(None) if callable(default) else default
