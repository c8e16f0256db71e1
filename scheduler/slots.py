"""Fires due schedules: one execution row per slot, written in the same transaction that advances the schedule.

Any number of schedulers may do this at the same time. The unique key (schedule, logical time) decides, so a slot fires
once whoever is killed when, and what was not executed is a row, too, with its reason.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import ColumnElement, and_, insert, select, true, tuple_, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from scheduler.misfires import Verdict, judge
from scheduler.reasons import Reason, missed, switched_off
from shared.clock import Clock
from shared.db.database import Database
from shared.db.executions import new_execution
from shared.db.models import AuditEntry, Execution, Report, Schedule
from shared.faults import crash_point

BATCH = 200
_MAX_ROWS = 2000
"""Rows that one transaction writes at most, so that others wait for it only briefly."""
_LOOKED_UP = 200


@dataclass(frozen=True, slots=True)
class Fired:
    """What one tick did: executions to start, and how many rows it wrote for what was missed.

    `has_more` is set when more is due already.
    """

    execution_ids: list[str]
    schedule_count: int
    missed_count: int
    has_more: bool


@dataclass(slots=True)
class _Fire:
    """One schedule, and the rows of its slots."""

    schedule: Schedule
    verdict: Verdict
    rows: list[Execution] = field(default_factory=list)


class SlotMaker:
    """Turns due schedules into rows of the queue.

    Args:
        patience: how late a tick may be without anything being wrong; no slot is missed before.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        actor: str,
        max_attempts: int,
        patience: timedelta = timedelta(seconds=5),
    ) -> None:
        self._database = database
        self._clock = clock
        self._actor = actor
        self._max_attempts = max_attempts
        self._patience = patience
        self._log = structlog.get_logger()

    def tick(self) -> Fired:
        """Fire a batch of due schedules; call again at once while there is more."""
        now = self._clock.now()
        try:
            fired = self._database.run(lambda session: self._fire_due(session, now, is_known=False))
        except IntegrityError:  # a slot has its row already, made by hand or before the clock was set back
            fired = self._database.run(lambda session: self._fire_due(session, now, is_known=True))
        crash_point("slots_committed")
        return fired

    def _fire_due(self, session: Session, now: datetime, *, is_known: bool) -> Fired:
        due = session.scalars(
            select(Schedule)
            .where(is_waiting(), Schedule.next_run_at <= now)
            .order_by(Schedule.next_run_at, Schedule.id)
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        ).all()
        fires = self._judged(session, due, now)
        if is_known:
            _leave_out(fires, _existing(session, [row for fire in fires for row in fire.rows]))
        rows = [row for fire in fires for row in fire.rows]
        if rows:
            session.execute(insert(Execution), [_values(row) for row in rows])
        self._advance(session, fires)
        self._note(session, fires, now)
        crash_point("slots_made")
        queued = [row.id for row in rows if row.status == "QUEUED"]
        has_more = len(due) == BATCH or len(fires) < len(due) or any(_is_due_again(fire, now) for fire in fires)
        return Fired(queued, len(fires), len(rows) - len(queued), has_more)

    def _judged(self, session: Session, due: Sequence[Schedule], now: datetime) -> list[_Fire]:
        ids = {schedule.config_id for schedule in due}
        reports = {report.id: report for report in session.scalars(select(Report).where(Report.id.in_(ids)))}
        fires: list[_Fire] = []
        row_count = 0
        for schedule in due:
            fire = _Fire(schedule, judge(schedule, now, self._patience))
            fire.rows = list(self._rows(fire, reports[schedule.config_id], now))
            fires.append(fire)
            row_count += len(fire.rows)
            if row_count >= _MAX_ROWS:
                break
        return fires

    def _rows(self, fire: _Fire, report: Report, now: datetime) -> Iterable[Execution]:
        for position, slot in enumerate(fire.verdict.missed):
            yield self._row(report, fire.schedule, slot, now, missed(fire.schedule, fire.verdict, position))
        for slot in fire.verdict.runs:
            yield self._row(report, fire.schedule, slot, now, None if report.is_active else switched_off(report))

    def _row(
        self, report: Report, schedule: Schedule, slot: datetime, now: datetime, skipped: Reason | None
    ) -> Execution:
        return new_execution(
            report,
            trigger="schedule",
            scheduled_for=slot,
            now=now,
            status="QUEUED" if skipped is None else "SKIPPED",
            available_at=max(now, slot + _jitter(schedule, slot)),
            max_attempts=self._max_attempts,
            schedule_id=schedule.id,
            completed_at=None if skipped is None else now,
            error=skipped,
            parameters=schedule.parameters or {},
            request={
                "parameters": schedule.parameters or {},
                "formats": schedule.formats,
                "deliver": True,
                "delivery_ids": schedule.delivery_ids,
                "timezone": schedule.timezone,
            },
        )

    @staticmethod
    def _advance(session: Session, fires: list[_Fire]) -> None:
        """Schedules that move alike share a statement: at nine in the morning that is most of them."""
        alike: dict[tuple[Any, ...], list[int]] = defaultdict(list)
        for fire in fires:
            runs = [row.scheduled_for for row in fire.rows if row.status == "QUEUED"]
            last_run_at = runs[-1] if runs else None
            alike[fire.schedule.next_run_at, fire.verdict.following, last_run_at, len(runs)].append(fire.schedule.id)
        for (due, following, last_run_at, run_count), ids in alike.items():
            # Firing is no change of the definition: `version` stays, so that an editor's save is not refused.
            values: dict[str, Any] = {"next_run_at": following}
            if run_count:
                values |= {"last_run_at": last_run_at, "run_count": Schedule.run_count + run_count}
            statement = update(Schedule).where(Schedule.id.in_(ids), Schedule.next_run_at == due).values(**values)
            session.execute(statement.execution_options(synchronize_session=False))

    def _note(self, session: Session, fires: list[_Fire], now: datetime) -> None:
        entries = []
        for fire in fires:
            schedule, verdict = fire.schedule, fire.verdict
            after = {
                "scheduled_for": verdict.latest.isoformat(),
                "executions": sum(row.status == "QUEUED" for row in fire.rows),
            }
            if verdict.broken:
                self._log.error("schedule cannot go on", schedule_id=schedule.id, error=verdict.broken)
                after["broken"] = verdict.broken
            entries.append(
                {
                    "tenant_id": schedule.tenant_id,
                    "at": now,
                    "actor": self._actor,
                    "action": "schedule.fired",
                    "object_type": "schedule",
                    "object_id": str(schedule.id),
                    "after": after,
                }
            )
        if entries:
            session.execute(insert(AuditEntry), entries)


def is_waiting() -> ColumnElement[bool]:
    """Active and with a next time. `= true` and not `IS true`, for which MySQL reads the whole index."""
    return and_(Schedule.is_active == true(), Schedule.next_run_at.is_not(None))


def _is_due_again(fire: _Fire, now: datetime) -> bool:
    return fire.verdict.following is not None and fire.verdict.following <= now


def _existing(session: Session, rows: list[Execution]) -> set[tuple[int | None, datetime]]:
    """Slots that have a row."""
    found: set[tuple[int | None, datetime]] = set()
    slot = tuple_(Execution.schedule_id, Execution.scheduled_for)
    for start in range(0, len(rows), _LOOKED_UP):
        wanted = [(row.schedule_id, row.scheduled_for) for row in rows[start : start + _LOOKED_UP]]
        statement = select(Execution.schedule_id, Execution.scheduled_for).where(slot.in_(wanted))
        found |= {(schedule_id, scheduled_for) for schedule_id, scheduled_for in session.execute(statement)}
    return found


def _leave_out(fires: list[_Fire], existing: set[tuple[int | None, datetime]]) -> None:
    for fire in fires:
        fire.rows = [row for row in fire.rows if (row.schedule_id, row.scheduled_for) not in existing]


def _jitter(schedule: Schedule, slot: datetime) -> timedelta:
    """Deterministic, so that a slot keeps its moment whoever computes it."""
    if not schedule.jitter_seconds:
        return timedelta(0)
    digest = hashlib.sha256(f"{schedule.id}:{slot.isoformat()}".encode()).digest()
    return timedelta(seconds=int.from_bytes(digest[:8], "big") % (schedule.jitter_seconds + 1))


def _values(row: Execution) -> dict[str, Any]:
    columns = Execution.__table__.columns
    values = {column.key: getattr(row, column.key) for column in columns}
    return {key: _default(columns[key], value) for key, value in values.items()}


def _default(column: Any, value: Any) -> Any:
    if value is not None or column.default is None:
        return value
    default = column.default.arg
    return default(None) if callable(default) else default
