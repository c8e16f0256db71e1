"""Rows for tests of the database: one of each table, for a tenant."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from shared.db.models import (
    ApiKey,
    Artifact,
    AuditEntry,
    Calendar,
    Datasource,
    Delivery,
    DeliveryAttempt,
    DeliveryTask,
    ErrorEntry,
    Execution,
    Recipient,
    Record,
    Report,
    Schedule,
    User,
)
from shared.ids import new_execution_id

NOW = datetime(2026, 11, 24, 7, 0, 0, 123456, tzinfo=UTC)
_SAVED = {"created_at": NOW, "updated_at": NOW}


def add(session: Session, row: Any) -> Any:
    session.add(row)
    session.flush()
    return row


def execution(tenant_id: int, **fields: Any) -> Execution:
    known: dict[str, Any] = {
        "id": new_execution_id(), "config_id": 1, "report_name": "r", "trigger": "manual", "status": "QUEUED",
        "scheduled_for": NOW, "available_at": NOW, "created_at": NOW,
    }  # fmt: skip
    return Execution(tenant_id=tenant_id, **{**known, **fields})


def fill(session: Session, tenant_id: int) -> dict[type[Any], Any]:
    """A row of every table that belongs to tenants, by its model."""
    of = {"tenant_id": tenant_id}
    found: dict[type[Any], Any] = {}

    def make(model: Callable[..., Any], **fields: Any) -> Any:
        row = found[model] = add(session, model(**of, **fields))  # type: ignore[index]
        return row

    source = make(Datasource, name="source", type="sqlite", **_SAVED)
    report = make(Report, name="report", datasource_id=source.id, file_name_template="x", **_SAVED)
    make(Calendar, name="holidays", **_SAVED)
    make(Schedule, config_id=report.id, name="s", cron_expression="0 7 * * *", timezone="UTC", **_SAVED)
    delivery = make(Delivery, config_id=report.id, name="d", method="local_folder", **_SAVED)
    make(Recipient, delivery_id=delivery.id, address="a@example.com", **_SAVED)
    run = found[Execution] = add(session, execution(tenant_id, config_id=report.id))
    make(
        Artifact, execution_id=run.id, format="csv", file_name="a.csv", media_type="text/csv", storage_key="k", size=1,
        sha256="0", row_count=1, created_at=NOW, expires_at=NOW,
    )  # fmt: skip
    task = make(
        DeliveryTask, execution_id=run.id, delivery_id=delivery.id, method="local_folder", recipient="a",
        artifact_set="csv", status="PENDING", created_at=NOW,
    )  # fmt: skip
    make(DeliveryAttempt, task_id=task.id, number=1, status="SENDING", worker="w", started_at=NOW)
    make(Record, source="shop", external_id="1", received_at=NOW)
    make(AuditEntry, at=NOW, actor="local", action="x", object_type="report", object_id="1")
    make(ErrorEntry, at=NOW, service="scheduler", code="X", message="m")
    make(User, email="a@example.com", **_SAVED)
    make(ApiKey, name="k", prefix=f"rh_{tenant_id}", secret_hash="0", role="viewer", created_at=NOW)
    return found
