"""Decides, when the artifacts exist, what must reach whom: the tasks of an execution, or why there is none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from execution_engine.ledger import artifact_set
from shared.db.models import Artifact, Delivery, DeliveryTask, Execution, Recipient
from shared.plugins import PluginConfig, load

_WANTED = {
    "has_rows": "the report has no rows",
    "no_rows": "the report has rows",
    "changed": "the rows are the same as those delivered last",
}


def plan_deliveries(
    session: Session, execution: Execution, artifacts: Sequence[Artifact], now: datetime
) -> list[DeliveryTask]:
    """Add the tasks of an execution to the session; its artifacts are in the session already."""
    if not execution.request.get("deliver", True):
        return []
    tasks = [
        task
        for delivery in _chosen(session, execution)
        for task in _tasks_of(session, delivery, execution, artifact_set(artifacts), now)
    ]
    session.add_all(tasks)
    return tasks


def _chosen(session: Session, execution: Execution) -> Sequence[Delivery]:
    statement = select(Delivery).where(Delivery.config_id == execution.config_id, Delivery.is_active.is_(True))
    ids = execution.request.get("delivery_ids")
    if ids is not None:
        statement = statement.where(Delivery.id.in_(ids))
    return session.scalars(statement.order_by(Delivery.id)).all()


def _tasks_of(
    session: Session, delivery: Delivery, execution: Execution, formats: str, now: datetime
) -> Iterator[DeliveryTask]:
    recipients = _recipients(session, delivery)
    reason = _why_not(session, delivery, execution)
    for recipient in recipients or [Recipient(address=_place(delivery), kind="", name="")]:
        task = DeliveryTask(
            tenant_id=execution.tenant_id,
            execution_id=execution.id,
            delivery_id=delivery.id,
            method=delivery.method,
            recipient=recipient.address,
            recipient_name=recipient.name or "",
            recipient_kind=recipient.kind if recipients else "",
            artifact_set=formats,
            status="PENDING",
            attempts_allowed=1 + delivery.max_retry,
            next_attempt_at=now,
            created_at=now,
        )
        if reason is not None:
            _end(task, "SKIPPED", reason, now)
        elif not recipients and load("deliverer", delivery.method).is_addressed:
            _end(task, "REFUSED", "This delivery has no active recipient.", now)
        yield task


def _recipients(session: Session, delivery: Delivery) -> Sequence[Recipient]:
    if not load("deliverer", delivery.method).is_addressed:
        return []
    statement = select(Recipient).where(Recipient.delivery_id == delivery.id, Recipient.is_active.is_(True))
    return session.scalars(statement.order_by(Recipient.id)).all()


def _place(delivery: Delivery) -> str:
    """Where an unaddressed delivery goes, in words; made without opening any secret."""
    plugin = load("deliverer", delivery.method)
    if plugin.is_addressed:
        return "(nobody)"
    known = {
        name: value for name, value in delivery.delivery_config.items() if name in plugin.config_model.model_fields
    }
    config: PluginConfig = plugin.config_model.model_construct(None, **known)
    return plugin(config).target()[:320]


def _why_not(session: Session, delivery: Delivery, execution: Execution) -> str | None:
    """The reason why the delivery's condition is not met, None when it is."""
    rows = execution.row_count or 0
    is_met = {
        "always": True,
        "has_rows": rows > 0,
        "no_rows": rows == 0,
        "changed": delivery.condition != "changed" or _has_changed(session, delivery, execution),
    }[delivery.condition]
    return None if is_met else f"Not sent, as its condition says: {_WANTED[delivery.condition]}."


def _has_changed(session: Session, delivery: Delivery, execution: Execution) -> bool:
    """Other rows than those that this delivery brought last: what never arrived cannot be the same again."""
    statement = select(Execution.control_totals).join(DeliveryTask, DeliveryTask.execution_id == Execution.id)
    statement = statement.where(DeliveryTask.delivery_id == delivery.id, DeliveryTask.status == "DELIVERED")
    previous = session.scalar(statement.order_by(DeliveryTask.completed_at.desc(), DeliveryTask.id.desc()).limit(1))
    current = (execution.control_totals or {}).get("content_sha256")
    return current is None or (previous or {}).get("content_sha256") != current


def _end(task: DeliveryTask, status: str, message: str, now: datetime) -> None:
    task.status, task.message, task.completed_at, task.next_attempt_at = status, message, now, None
