"""Queries about executions that several services need: enqueue, show, count."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.orm import Session

from shared.db.models import Artifact, AuditEntry, DeliveryAttempt, DeliveryTask, Execution, Report
from shared.executions import (
    ArtifactOut,
    AttemptOut,
    DeliveryTaskOut,
    ExecutionError,
    ExecutionOut,
    ExecutionStory,
    Progress,
    derive_state,
    facts_of_state,
)
from shared.ids import new_execution_id

ENDED = ("COMPLETED", "FAILED", "CANCELLED", "SKIPPED", "HELD")
UNFINISHED_DELIVERY = ("PENDING", "DELIVERING")


def new_execution(
    report: Report,
    *,
    trigger: str,
    scheduled_for: datetime,
    now: datetime,
    status: str = "QUEUED",
    available_at: datetime | None = None,
    max_attempts: int = 3,
    **fields: Any,
) -> Execution:
    """A row of the queue for one report; add it to a session to ask for the execution."""
    return Execution(
        id=new_execution_id(),
        tenant_id=report.tenant_id,
        config_id=report.id,
        report_name=report.name,
        trigger=trigger,
        status=status,
        delivery_status="NONE",
        scheduled_for=scheduled_for,
        available_at=available_at or now,
        created_at=now,
        max_attempts=max_attempts,
        **fields,
    )


def audit_execution(
    session: Session, execution: Execution, actor: str, action: str, now: datetime, after: dict[str, Any] | None = None
) -> None:
    """Note a transition of an execution and the component that made it."""
    session.add(
        AuditEntry(
            tenant_id=execution.tenant_id,
            at=now,
            actor=actor,
            action=f"execution.{action}",
            object_type="execution",
            object_id=execution.id,
            after=after,
        )
    )


def state_filter(state: str) -> ColumnElement[bool]:
    """SQL for the derived state."""
    status, delivery = facts_of_state(state)
    if state == "FAILED":
        return (Execution.status == "FAILED") | (
            and_(Execution.status == "COMPLETED", Execution.delivery_status == "FAILED")
        )
    if delivery is None:
        return Execution.status == status
    return and_(Execution.status == status, Execution.delivery_status.in_(delivery))


def summary(execution: Execution) -> ExecutionOut:
    return ExecutionOut(**_summary_fields(execution))


def story(session: Session, execution: Execution) -> ExecutionStory:
    """The execution with its artifacts, delivery tasks and attempts."""
    artifacts = session.scalars(select(Artifact).where(Artifact.execution_id == execution.id).order_by(Artifact.id))
    return ExecutionStory(
        **_summary_fields(execution),
        config_version=execution.config_version,
        retry_of=execution.retry_of,
        parameters=execution.parameters,
        progress=None if execution.progress is None else Progress(**execution.progress),
        control_totals=execution.control_totals,
        warnings=execution.warnings or [],
        query=execution.sent_query,
        cancel_requested_at=execution.cancel_requested_at,
        artifacts=[artifact_out(artifact) for artifact in artifacts],
        deliveries=_deliveries(session, execution.id),
    )


def artifact_out(artifact: Artifact) -> ArtifactOut:
    return ArtifactOut(
        id=artifact.id,
        format=artifact.format,
        file_name=artifact.file_name,
        media_type=artifact.media_type,
        size=artifact.size,
        sha256=artifact.sha256,
        row_count=artifact.row_count,
        rows_read_back=artifact.rows_read_back,
        expires_at=artifact.expires_at,
        is_deleted=artifact.deleted_at is not None,
    )


def task_out(task: DeliveryTask, attempts: Sequence[DeliveryAttempt]) -> DeliveryTaskOut:
    return DeliveryTaskOut(
        id=task.id,
        delivery_id=task.delivery_id,
        method=task.method,
        recipient=task.recipient,
        recipient_kind=task.recipient_kind,
        status=task.status,
        message=task.message,
        artifact_set=task.artifact_set,
        next_attempt_at=task.next_attempt_at,
        completed_at=task.completed_at,
        attempts=[
            AttemptOut(
                number=attempt.number,
                started_at=attempt.started_at,
                finished_at=attempt.finished_at,
                status=attempt.status,
                message=attempt.message,
                error_code=attempt.error_code,
            )
            for attempt in attempts
        ],
    )


def attempts_of(session: Session, task_ids: Sequence[int]) -> dict[int, list[DeliveryAttempt]]:
    """Attempts by task, in order."""
    found: dict[int, list[DeliveryAttempt]] = {task_id: [] for task_id in task_ids}
    statement = select(DeliveryAttempt).where(DeliveryAttempt.task_id.in_(task_ids))
    for attempt in session.scalars(statement.order_by(DeliveryAttempt.task_id, DeliveryAttempt.number)):
        found[attempt.task_id].append(attempt)
    return found


def _deliveries(session: Session, execution_id: str) -> list[DeliveryTaskOut]:
    tasks = session.scalars(
        select(DeliveryTask).where(DeliveryTask.execution_id == execution_id).order_by(DeliveryTask.id)
    ).all()
    attempts = attempts_of(session, [task.id for task in tasks])
    return [task_out(task, attempts[task.id]) for task in tasks]


def _summary_fields(execution: Execution) -> dict[str, Any]:
    return {
        "execution_id": execution.id,
        "config_id": execution.config_id,
        "report_name": execution.report_name,
        "schedule_id": execution.schedule_id,
        "trigger": execution.trigger,
        "status": execution.status,
        "delivery_status": execution.delivery_status,
        "state": derive_state(execution.status, execution.delivery_status),
        "scheduled_for": execution.scheduled_for,
        "created_at": execution.created_at,
        "started_at": execution.started_at,
        "completed_at": execution.completed_at,
        "attempt": execution.attempt,
        "row_count": execution.row_count,
        "completeness": execution.completeness,
        "error": None if execution.error is None else ExecutionError(**execution.error),
    }
