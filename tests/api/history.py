"""Executions, files and deliveries that have happened, written into the database as the engine would."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from shared.clock import SystemClock
from shared.db.executions import new_execution
from shared.db.models import Artifact, Delivery, DeliveryAttempt, DeliveryTask, Execution, Report
from shared.storage import ArtifactStore
from tests.api.hub import Hub


def add_execution(hub: Hub, config_id: int, **changes: Any) -> str:
    """A completed execution; returns its id."""
    now = SystemClock().now()
    fields = {"status": "COMPLETED", "delivery_status": "NONE", "completed_at": now, "row_count": 1} | changes
    with hub.context.database.transaction() as session:
        report = session.get_one(Report, config_id)
        execution = new_execution(report, trigger="manual", scheduled_for=now, now=now, request={"formats": None})
        for name, value in fields.items():
            setattr(execution, name, value)
        session.add(execution)
    return execution.id


def add_artifact(
    hub: Hub, execution_id: str, format_name: str, content: bytes, file_name: str = "orders", **changes: Any
) -> int:
    """A stored file; returns its id."""
    media_types = {"csv": "text/csv; charset=utf-8", "pdf": "application/pdf", "json": "application/json"}
    now = SystemClock().now()
    store = ArtifactStore.open(hub.settings)
    name = f"{file_name}.{format_name}"
    key = store.key(execution_id, 1, name, now)
    path = store._resolve(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    with hub.context.database.transaction() as session:
        execution = session.get_one(Execution, execution_id)
        artifact = Artifact(
            tenant_id=execution.tenant_id,
            execution_id=execution_id,
            format=format_name,
            burst_key="",
            file_name=name,
            media_type=media_types.get(format_name, "application/octet-stream"),
            storage_key=key,
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            row_count=1,
            rows_read_back=1,
            created_at=now,
            expires_at=now + timedelta(days=30),
        )
        for field, value in changes.items():
            setattr(artifact, field, value)
        session.add(artifact)
        session.flush()
        return artifact.id


def add_task(hub: Hub, execution_id: str, delivery_id: int, *, status: str, recipient: str = "bob@example.com") -> int:
    """A delivery task with one attempt; returns its id."""
    now = SystemClock().now()
    with hub.context.database.transaction() as session:
        execution = session.get_one(Execution, execution_id)
        delivery = session.get(Delivery, delivery_id)
        task = DeliveryTask(
            tenant_id=execution.tenant_id,
            execution_id=execution_id,
            delivery_id=delivery_id,
            method=delivery.method if delivery else "email",
            recipient=recipient,
            artifact_set="csv",
            status=status,
            attempt=1,
            attempts_allowed=1,
            message="550 no such user",
            created_at=now,
            completed_at=now,
        )
        session.add(task)
        session.flush()
        session.add(
            DeliveryAttempt(
                tenant_id=execution.tenant_id,
                task_id=task.id,
                number=1,
                status=status,
                worker="w",
                started_at=now,
                finished_at=now,
                error_code="DELIVERY_REFUSED",
                message="550 no such user",
            )
        )
        return task.id
