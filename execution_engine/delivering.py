"""Makes one delivery attempt: packs the parcel, has a worker process deliver it, decides what the outcome means."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from execution_engine.errors_log import log_error
from execution_engine.ledger import AttemptClaim, DeliveryLedger, Outcome
from execution_engine.orders import DeliveryOrder, Limits
from execution_engine.patience import insist
from execution_engine.preparing import Preparer
from execution_engine.worker import Worker, WorkFailed
from execution_engine.workers import WorkerPool
from shared.clock import Clock
from shared.db.database import Database
from shared.db.models import Artifact, Delivery, DeliveryTask, Execution
from shared.errors import (
    Cancelled,
    DeliveryUnavailable,
    DeliveryUnknown,
    NotFound,
    ReportHubError,
    TimeLimitReached,
)
from shared.faults import crash_point
from shared.plugins import Address, ArtifactFile, Parcel, Receipt, load
from shared.retry import backoff
from shared.settings import Settings
from shared.storage import ArtifactStore
from shared.templates import template_context


@dataclass(frozen=True, slots=True)
class _Policy:
    """What the delivery says about trying again."""

    attempts_allowed: int
    interval: timedelta
    resends_unknown: bool
    is_addressed: bool


class DeliveryRunner:
    """Makes claimed attempts; one call of `run` per attempt, each in its own thread."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        clock: Clock,
        ledger: DeliveryLedger,
        preparer: Preparer,
        store: ArtifactStore,
        workers: WorkerPool,
    ) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock
        self._ledger = ledger
        self._preparer = preparer
        self._store = store
        self._workers = workers
        self._busy: set[Worker] = set()
        self._lock = threading.Lock()
        self._is_stopping = False
        self._log = structlog.get_logger()

    def run(self, claim: AttemptClaim) -> None:
        """From claim to outcome. Never raises: what goes wrong is in the ledger."""
        with structlog.contextvars.bound_contextvars(execution_id=claim.execution_id, delivery_task=claim.task_id):
            outcome = self._attempt(claim)
            insist(lambda: self._ledger.record(claim, outcome), self._settings.lease)
            self._log.info("delivery attempt", status=outcome.status, attempt=claim.number, says=outcome.message)

    def stop(self) -> None:
        """Cancel what is being sent; an attempt that had not begun to send is made again by the next engine."""
        with self._lock:
            self._is_stopping = True
            for worker in self._busy:
                worker.cancel()

    def _send(self, order: DeliveryOrder) -> Receipt:
        with self._workers.worker() as worker:
            with self._lock:
                self._busy.add(worker)
                if self._is_stopping:
                    worker.cancel()
            try:
                receipt: Receipt = worker.run(order)
            finally:
                with self._lock:
                    self._busy.discard(worker)
        return receipt

    def _attempt(self, claim: AttemptClaim) -> Outcome:
        policy = _Policy(1, timedelta(0), resends_unknown=False, is_addressed=False)
        try:
            with self._database.reading() as session:
                policy = self._policy(session, claim)
                order = self._order(session, claim)
            crash_point("before_sending")
            receipt = self._send(order)
            crash_point("after_sending")
            return Outcome("DELIVERED", receipt.message, detail=dict(receipt.detail))
        except WorkFailed as failure:
            if failure.error.code == ReportHubError.code:
                log_error(
                    self._database, self._clock, claim.tenant_id, failure.error, claim.execution_id, failure.cause
                )
            return _outcome(failure.error, claim, policy, is_unknown=not failure.is_reported)
        except ReportHubError as error:
            return _outcome(error, claim, policy)
        except Exception as error:  # noqa: BLE001 - a task must never stay open because of our fault
            self._log.exception("unexpected error")
            hidden = ReportHubError("An unexpected error ended the attempt.", hint="The error log has the cause.")
            hidden.__cause__ = error
            log_error(self._database, self._clock, claim.tenant_id, hidden, claim.execution_id)
            return _outcome(hidden, claim, policy)

    def _policy(self, session: Session, claim: AttemptClaim) -> _Policy:
        task = session.get_one(DeliveryTask, claim.task_id)
        delivery = _existing(session.get(Delivery, claim.delivery_id))
        return _Policy(
            attempts_allowed=task.attempts_allowed,
            interval=timedelta(minutes=delivery.retry_interval_minutes),
            resends_unknown=delivery.on_unknown == "resend",
            is_addressed=load("deliverer", delivery.method).is_addressed,
        )

    def _order(self, session: Session, claim: AttemptClaim) -> DeliveryOrder:
        delivery = _existing(session.get(Delivery, claim.delivery_id))
        return DeliveryOrder(
            method=delivery.method,
            config=self._preparer.delivery(delivery),
            parcel=self._parcel(session, claim),
            limits=Limits(self._settings.delivery_timeout.total_seconds(), self._settings.worker_memory_mb),
            network=self._settings.network_policy,
        )

    def _parcel(self, session: Session, claim: AttemptClaim) -> Parcel:
        task = session.get_one(DeliveryTask, claim.task_id)
        execution = session.get_one(Execution, claim.execution_id)
        timezone = execution.request.get("timezone") or "UTC"
        everyone = session.scalars(
            select(DeliveryTask).where(
                DeliveryTask.execution_id == claim.execution_id, DeliveryTask.delivery_id == claim.delivery_id
            )
        )
        variables = template_context(
            report=execution.report_name,
            scheduled_for=execution.scheduled_for,
            timezone=timezone,
            execution_id=execution.id,
            rows=execution.row_count or 0,
            parameters=execution.parameters,
        )
        return Parcel(
            key=f"{execution.id}-{task.id}",
            attempt=claim.number,
            execution_id=execution.id,
            report_name=execution.report_name,
            scheduled_for=execution.scheduled_for,
            timezone=timezone,
            row_count=execution.row_count or 0,
            completeness=execution.completeness or "COMPLETE",
            artifacts=self._files(session, execution.id),
            recipient=_address(task) if task.recipient_kind else None,
            recipients=tuple(_address(other) for other in everyone if other.recipient_kind),
            notes=tuple((execution.control_totals or {}).get("notes", ())),
            variables=variables,
        )

    def _files(self, session: Session, execution_id: str) -> tuple[ArtifactFile, ...]:
        artifacts = session.scalars(
            select(Artifact).where(Artifact.execution_id == execution_id).order_by(Artifact.id)
        ).all()
        if any(artifact.deleted_at is not None for artifact in artifacts):
            raise NotFound("The artifacts were removed when their time of keeping was over.")
        return tuple(
            ArtifactFile(
                file_name=artifact.file_name,
                path=self._store.path(artifact.storage_key),
                format=artifact.format,
                media_type=artifact.media_type,
                size=artifact.size,
                sha256=artifact.sha256,
                row_count=artifact.row_count,
            )
            for artifact in artifacts
        )


def _outcome(error: ReportHubError, claim: AttemptClaim, policy: _Policy, *, is_unknown: bool = False) -> Outcome:
    """What a failed attempt means: try again, ask a person, or stop.

    An attempt whose end is unknown (the process was killed, or the connection broke after all was sent) is made again
    where that changes nothing (files, keys); a mail that may have arrived follows the delivery's policy.
    """
    message = error.message if error.hint is None else f"{error.message} {error.hint}"
    is_unknown = is_unknown or isinstance(error, DeliveryUnknown)
    attempt_status = "UNKNOWN" if is_unknown else None
    if is_unknown and policy.is_addressed and not policy.resends_unknown:
        return Outcome("UNKNOWN", message, error.code, attempt_status="UNKNOWN")
    if isinstance(error, Cancelled):
        message = "The engine was stopped before it was sent." if not is_unknown else message
        return Outcome("WAITING", message, error.code, None, timedelta(0), attempt_status, is_counted=False)
    if not (is_unknown or isinstance(error, (DeliveryUnavailable, TimeLimitReached)) or error.retryable):
        return Outcome("REFUSED", message, error.code)
    if claim.number >= policy.attempts_allowed:
        return Outcome("DEAD", message, error.code, attempt_status=attempt_status)
    retry_after = getattr(error, "retry_after", None)
    delay = backoff(claim.number, policy.interval, retry_after)
    return Outcome("WAITING", message, error.code, delay=delay, attempt_status=attempt_status)


def _existing(delivery: Delivery | None) -> Delivery:
    if delivery is None:
        raise NotFound("The delivery was deleted before it could be made.")
    return delivery


def _address(task: DeliveryTask) -> Address:
    return Address(task.recipient, task.recipient_name, task.recipient_kind)
