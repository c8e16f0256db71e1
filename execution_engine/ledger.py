"""The ledger of deliveries: one task per recipient or place, one row per attempt, written before anything is sent."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, select, update
from sqlalchemy.orm import Session

from execution_engine.picking import pick
from shared.clock import Clock
from shared.db.database import Database
from shared.db.executions import audit_execution
from shared.db.models import Artifact, Delivery, DeliveryAttempt, DeliveryTask, Execution
from shared.faults import crash_point

OPEN = ("PENDING", "SENDING", "WAITING")
_INTERRUPTIONS = 5
"""How many times an attempt may be interrupted by dying engines beyond the allowed attempts."""


@dataclass(frozen=True, slots=True)
class AttemptClaim:
    """The right to make one attempt."""

    task_id: int
    execution_id: str
    tenant_id: int
    delivery_id: int
    fence: int
    number: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended: the task's new status, what to say, and when to try again (WAITING).

    One that is not counted costs the task none of its attempts.
    """

    status: str
    message: str
    error_code: str | None = None
    detail: dict[str, Any] | None = None
    delay: timedelta | None = None
    attempt_status: str | None = None
    is_counted: bool = True


class DeliveryLedger:
    """Claims and guarded transitions of delivery tasks for one engine (`owner`)."""

    def __init__(self, database: Database, clock: Clock, owner: str, lease: timedelta) -> None:
        self._database = database
        self._clock = clock
        self._owner = owner
        self._lease = lease

    def claim(self, limit: int) -> list[AttemptClaim]:
        """Up to `limit` attempts to make now; their rows are written when this returns."""
        if limit <= 0:
            return []
        claims = self._database.run(lambda session: self._claim_in(session, limit, self._clock.now()))
        if claims:
            crash_point("delivery_claimed")
        return claims

    def renew(self, claims: Iterable[AttemptClaim]) -> None:
        until = self._clock.now() + self._lease

        def work(session: Session) -> None:
            for claim in claims:
                session.execute(update(DeliveryTask).where(*self._held(claim)).values(lease_until=until))

        self._database.run(work)

    def record(self, claim: AttemptClaim, outcome: Outcome) -> bool:
        """Write how the attempt ended; False when the task was taken over meanwhile (the attempt is noted then)."""
        is_written = self._database.run(lambda session: self._record_in(session, claim, outcome, self._clock.now()))
        crash_point("delivery_recorded")
        return is_written

    def _claim_in(self, session: Session, limit: int, now: datetime) -> list[AttemptClaim]:
        self._close_interrupted(session, limit, now)
        due = and_(DeliveryTask.status.in_(("PENDING", "WAITING")), DeliveryTask.next_attempt_at <= now)
        order = (DeliveryTask.next_attempt_at, DeliveryTask.id)
        tasks = list(itertools.islice(pick(session, DeliveryTask, due, order, limit), limit))
        claims = [self._take(session, task, now) for task in tasks]
        for execution_id in sorted({claim.execution_id for claim in claims}):  # in one order, or two engines deadlock
            begun = update(Execution).where(Execution.id == execution_id, Execution.delivery_status == "PENDING")
            session.execute(begun.values(delivery_status="DELIVERING"))
        return claims

    def _close_interrupted(self, session: Session, limit: int, now: datetime) -> None:
        """Find the tasks whose engine is gone. The execution is locked first, as everywhere."""
        abandoned = and_(DeliveryTask.status == "SENDING", DeliveryTask.lease_until < now)
        found = session.execute(select(DeliveryTask.execution_id).where(abandoned).distinct().limit(limit))
        for (execution_id,) in sorted(found):
            _lock_execution(session, execution_id)
            mine = and_(abandoned, DeliveryTask.execution_id == execution_id)
            for task in session.scalars(select(DeliveryTask).where(mine).with_for_update(skip_locked=True)).all():
                self._interrupted(session, task, now)
            session.flush()

    def _interrupted(self, session: Session, task: DeliveryTask, now: datetime) -> None:
        """The engine that made the attempt is gone: it may have arrived. What then, the delivery says."""
        message = "The engine was interrupted while it was sending; it may have arrived."
        close = update(DeliveryAttempt).where(DeliveryAttempt.task_id == task.id, DeliveryAttempt.status == "SENDING")
        session.execute(close.values(status="UNKNOWN", finished_at=now, message=message, error_code="INTERRUPTED"))
        delivery = session.get(Delivery, task.delivery_id)
        asks = delivery is not None and delivery.on_unknown == "ask" and bool(task.recipient_kind)
        task.lease_owner = task.lease_until = None
        if asks or task.attempt >= task.attempts_allowed + _INTERRUPTIONS:
            task.status, task.next_attempt_at, task.completed_at = ("UNKNOWN" if asks else "DEAD"), None, now
            task.message = message
            self._settle(session, task.execution_id, now)
        else:
            task.status, task.next_attempt_at = "WAITING", now

    def _take(self, session: Session, task: DeliveryTask, now: datetime) -> AttemptClaim:
        task.status = "SENDING"
        task.attempt += 1
        task.fence += 1
        task.lease_owner, task.lease_until = self._owner, now + self._lease
        task.next_attempt_at = None
        session.add(
            DeliveryAttempt(
                tenant_id=task.tenant_id,
                task_id=task.id,
                number=task.attempt,
                status="SENDING",
                worker=self._owner,
                started_at=now,
            )
        )
        return AttemptClaim(task.id, task.execution_id, task.tenant_id, task.delivery_id, task.fence, task.attempt)

    def _record_in(self, session: Session, claim: AttemptClaim, outcome: Outcome, now: datetime) -> bool:
        # "Am I the last one?" is asked under the execution's lock: two last tasks that end together would else both
        # say no, and the execution would stay open for ever.
        _lock_execution(session, claim.execution_id)
        attempt = update(DeliveryAttempt).where(
            DeliveryAttempt.task_id == claim.task_id, DeliveryAttempt.number == claim.number
        )
        session.execute(
            attempt.values(
                status=outcome.attempt_status or ("DELIVERED" if outcome.status == "DELIVERED" else "FAILED"),
                finished_at=now,
                message=outcome.message[:2000],
                error_code=outcome.error_code,
                detail=outcome.detail,
            )
        )
        is_waiting = outcome.status == "WAITING"
        values: dict[str, Any] = {
            "status": outcome.status,
            "message": outcome.message[:2000],
            "lease_owner": None,
            "lease_until": None,
            "next_attempt_at": now + (outcome.delay or timedelta(0)) if is_waiting else None,
            "completed_at": None if is_waiting else now,
        }
        if not outcome.is_counted:
            values["attempts_allowed"] = DeliveryTask.attempts_allowed + 1
        changed: Any = session.execute(update(DeliveryTask).where(*self._held(claim)).values(**values))
        if changed.rowcount == 1 and not is_waiting:
            self._settle(session, claim.execution_id, now)
        return bool(changed.rowcount == 1)

    def _settle(self, session: Session, execution_id: str, now: datetime) -> None:
        """When the last task of an execution has ended, say so on the execution. Its row is locked by the caller."""
        execution = session.get_one(Execution, execution_id, with_for_update=True, populate_existing=True)
        session.flush()
        status = delivery_status(session, execution_id)
        if status == execution.delivery_status:
            return
        execution.delivery_status = status
        if status != "DELIVERING":
            audit_execution(session, execution, self._owner, status.lower(), now, {"delivery_status": status})

    def _held(self, claim: AttemptClaim) -> tuple[Any, ...]:
        return (
            DeliveryTask.id == claim.task_id,
            DeliveryTask.fence == claim.fence,
            DeliveryTask.status == "SENDING",
            DeliveryTask.lease_owner == self._owner,
        )


def _lock_execution(session: Session, execution_id: str) -> None:
    session.execute(select(Execution.id).where(Execution.id == execution_id).with_for_update())


def delivery_status(session: Session, execution_id: str) -> str:
    """The one fact about all deliveries of an execution; tasks that a condition skipped do not count."""
    statement = select(DeliveryTask.status, func.count()).where(
        and_(DeliveryTask.execution_id == execution_id, DeliveryTask.status != "SKIPPED")
    )
    counts: dict[str, int] = {row[0]: row[1] for row in session.execute(statement.group_by(DeliveryTask.status))}
    if not counts:
        return "NONE"
    if any(counts.get(status) for status in OPEN):
        return "DELIVERING"
    if set(counts) == {"DELIVERED"}:
        return "DELIVERED"
    return "PARTIAL" if counts.get("DELIVERED") else "FAILED"


def artifact_set(artifacts: Sequence[Artifact]) -> str:
    """The name of the set of files that go along: formats, sorted, joined by '+'."""
    return "+".join(sorted({artifact.format for artifact in artifacts}))
