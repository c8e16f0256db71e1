"""The queue of executions: who may start which, and what every holder of a lease writes afterwards.

All writes of a holder name the fence number of its claim and must change exactly one row; a worker that was only asleep
while its lease was taken over therefore writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, true, update
from sqlalchemy.orm import Session

from execution_engine.picking import pick
from shared.clock import Clock
from shared.db.database import Database
from shared.db.executions import audit_execution
from shared.db.models import Execution, Schedule
from shared.errors import ReportHubError, WorkerLost
from shared.faults import crash_point

_HOLD_BACK = timedelta(seconds=1)
"""How soon an execution that must wait for its predecessor is looked at again."""

_ORDER = (Execution.priority.desc(), Execution.available_at, Execution.id)


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on an execution."""

    execution_id: str
    tenant_id: int
    fence: int
    attempt: int


class LeaseLost(Exception):
    """Another engine holds the execution now; whatever this one has is void."""


class ExecutionQueue:
    """Claims, renewals and guarded transitions of executions for one engine (`owner`)."""

    def __init__(self, database: Database, clock: Clock, owner: str, lease: timedelta) -> None:
        self._database = database
        self._clock = clock
        self._owner = owner
        self._lease = lease

    def claim(self, limit: int, *, only: str | None = None) -> list[Claim]:
        """Up to `limit` executions to start now: abandoned ones first, then by priority and age; or `only` that one."""
        if limit <= 0:
            return []
        now = self._clock.now()
        claims = self._database.run(lambda session: self._claim_in(session, limit, now, only))
        if claims:
            crash_point("execution_claimed")
        return claims

    def renew(self, claims: Iterable[Claim]) -> set[str]:
        """Extend the leases; return the ids of those that are lost."""
        until = self._clock.now() + self._lease
        lost: set[str] = set()

        def work(session: Session) -> None:
            for claim in claims:
                statement = update(Execution).where(self._held(claim)).values(lease_until=until)
                if _changed(session, statement) != 1:
                    lost.add(claim.execution_id)

        self._database.run(work)
        return lost

    def cancelled(self, claims: Iterable[Claim]) -> set[str]:
        """Ids of those that somebody wants to end."""
        ids = [claim.execution_id for claim in claims]
        with self._database.reading() as session:
            statement = select(Execution.id).where(Execution.id.in_(ids), Execution.cancel_requested_at.is_not(None))
            return set(session.scalars(statement))

    def note_progress(self, claim: Claim, stage: str, rows: int) -> None:
        statement = update(Execution).where(self._held(claim)).values(progress={"stage": stage, "rows": rows})
        self._database.run(lambda session: _changed(session, statement))

    def note_start(self, claim: Claim, **values: Any) -> None:
        """Write what is known at the start. Raises LeaseLost."""
        self._database.run(lambda session: self._write(session, claim, values))

    def transition(self, session: Session, claim: Claim, status: str, **values: Any) -> Execution:
        """End a claim: the guarded step from RUNNING to `status`, with its audit row. Raises LeaseLost."""
        self._write(session, claim, {"status": status, "lease_owner": None, "lease_until": None, **values})
        execution = session.get_one(Execution, claim.execution_id, populate_existing=True)
        after = {"status": status, "attempt": claim.attempt, "fence": claim.fence}
        audit_execution(session, execution, self._owner, status.lower(), self._clock.now(), after)
        return execution

    def hand_back(
        self, claim: Claim, *, delay: timedelta, error: ReportHubError | None, is_counted: bool = True
    ) -> None:
        """Back to QUEUED, to be started again after `delay`. Not counted when the engine itself is stopping."""
        values: dict[str, Any] = {
            "available_at": self._clock.now() + delay,
            "error": None if error is None else error.as_dict(),
            "progress": None,
        }
        if not is_counted:
            values["attempt"] = claim.attempt - 1
        self._database.run(lambda session: self.transition(session, claim, "QUEUED", **values))

    def depth(self) -> tuple[int, datetime | None]:
        """Executions waiting, and since when the oldest has been waiting."""
        with self._database.reading() as session:
            statement = select(func.count(), func.min(Execution.available_at)).where(Execution.status == "QUEUED")
            count, oldest = session.execute(statement).one()
        return int(count), oldest

    def _claim_in(self, session: Session, limit: int, now: datetime, only: str | None) -> list[Claim]:
        claims: list[Claim] = []
        wanted = true() if only is None else Execution.id == only
        abandoned = and_(Execution.status == "RUNNING", Execution.lease_until < now)
        waiting = and_(Execution.status == "QUEUED", Execution.available_at <= now)
        for condition, decide in ((abandoned, self._take_over), (waiting, self._start)):
            if len(claims) == limit:
                break
            for execution in pick(session, Execution, and_(condition, wanted), _ORDER, limit):
                claim = decide(session, execution, now)
                claims += [claim] if claim is not None else []
                if len(claims) == limit:
                    break
        return claims

    def _take_over(self, session: Session, execution: Execution, now: datetime) -> Claim | None:
        if execution.cancel_requested_at is not None:
            self._close(session, execution, "CANCELLED", now, None)
            return None
        if execution.attempt >= execution.max_attempts:
            lost = WorkerLost(f"The work was interrupted {execution.attempt} times, which is the limit.")
            self._close(session, execution, "FAILED", now, lost)
            return None
        return self._take(session, execution, now, "taken_over")

    def _start(self, session: Session, execution: Execution, now: datetime) -> Claim | None:
        if execution.cancel_requested_at is not None:
            self._close(session, execution, "CANCELLED", now, None)
            return None
        if not self._may_overlap(session, execution, now):
            return None
        return self._take(session, execution, now, "claimed")

    def _take(self, session: Session, execution: Execution, now: datetime, action: str) -> Claim:
        execution.status = "RUNNING"
        execution.attempt += 1
        execution.fence += 1
        execution.lease_owner = self._owner
        execution.lease_until = now + self._lease
        execution.started_at = execution.started_at or now
        execution.progress = {"stage": "starting", "rows": 0}
        audit_execution(session, execution, self._owner, action, now, {"attempt": execution.attempt})
        return Claim(execution.id, execution.tenant_id, execution.fence, execution.attempt)

    def _close(
        self, session: Session, execution: Execution, status: str, now: datetime, error: ReportHubError | None
    ) -> None:
        execution.status = status
        execution.completed_at = now
        execution.lease_owner = execution.lease_until = None
        execution.error = None if error is None else error.as_dict()
        audit_execution(session, execution, self._owner, status.lower(), now)

    def _may_overlap(self, session: Session, execution: Execution, now: datetime) -> bool:
        """Apply the schedule's overlap policy while holding its row, so that two engines cannot both say yes."""
        if execution.schedule_id is None or execution.trigger != "schedule":
            return True
        schedule = session.scalar(select(Schedule).where(Schedule.id == execution.schedule_id).with_for_update())
        if schedule is None or schedule.overlap_policy == "allow":
            return True
        if not self._has_predecessor(session, execution):
            return True
        if schedule.overlap_policy == "skip":
            execution.error = {
                "code": "OVERLAP",
                "message": "Skipped: the previous execution of this schedule had not ended.",
                "hint": "Set overlap_policy to 'queue' or 'allow', or run it less often.",
                "retryable": False,
            }
            execution.status, execution.completed_at = "SKIPPED", now
            audit_execution(session, execution, self._owner, "skipped", now, {"reason": "overlap"})
        else:
            execution.available_at = now + _HOLD_BACK
        return False

    @staticmethod
    def _has_predecessor(session: Session, execution: Execution) -> bool:
        # coalesce() keeps the index on schedule_id out: it holds the schedule's whole history, the one on status only
        # what has not ended.
        earlier = select(Execution.id).where(
            Execution.status.in_(("RUNNING", "QUEUED")),
            func.coalesce(Execution.schedule_id, 0) == execution.schedule_id,
            Execution.id != execution.id,
            or_(Execution.status == "RUNNING", Execution.scheduled_for < execution.scheduled_for),
        )
        return session.scalar(earlier.limit(1)) is not None

    def _held(self, claim: Claim) -> ColumnElement[bool]:
        return and_(
            Execution.id == claim.execution_id,
            Execution.fence == claim.fence,
            Execution.status == "RUNNING",
            Execution.lease_owner == self._owner,
        )

    def _write(self, session: Session, claim: Claim, values: dict[str, Any]) -> None:
        if _changed(session, update(Execution).where(self._held(claim)).values(**values)) != 1:
            raise LeaseLost(claim.execution_id)


def _changed(session: Session, statement: Any) -> int:
    result: Any = session.execute(statement.execution_options(synchronize_session=False))
    return int(result.rowcount)
