"""The keys that the promises stand on refuse the second row, on every database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from shared.db.database import Database
from shared.db.models import Artifact, DeliveryAttempt, DeliveryTask, Execution, Record, Report, Tenant
from tests.db.rows import NOW, execution, fill

Rows = dict[type[Any], Any]


def slot(rows: Rows) -> Execution:
    return execution(1, schedule_id=7, scheduled_for=NOW)


def asked_for(rows: Rows) -> Execution:
    return execution(1, idempotency_key="monthly-2026-11")


def task(rows: Rows) -> DeliveryTask:
    known = rows[DeliveryTask]
    return DeliveryTask(
        tenant_id=1, execution_id=known.execution_id, delivery_id=known.delivery_id, method="email", recipient="b",
        artifact_set="csv+pdf", status="PENDING", created_at=NOW,
    )  # fmt: skip


def attempt(rows: Rows) -> DeliveryAttempt:
    task_id = rows[DeliveryTask].id
    return DeliveryAttempt(tenant_id=1, task_id=task_id, number=2, status="SENDING", worker="w", started_at=NOW)


def record(rows: Rows) -> Record:
    return Record(tenant_id=1, source="shop", external_id="order-1", received_at=NOW)


def artifact(rows: Rows) -> Artifact:
    return Artifact(
        tenant_id=1, execution_id=rows[Execution].id, format="pdf", file_name="a.pdf", media_type="application/pdf",
        storage_key="k", size=1, sha256="0", row_count=1, created_at=NOW, expires_at=NOW,
    )  # fmt: skip


def report(rows: Rows) -> Report:
    datasource_id = rows[Report].datasource_id
    return Report(
        tenant_id=1, name="Umsätze", datasource_id=datasource_id, file_name_template="x", created_at=NOW, updated_at=NOW
    )


@pytest.mark.parametrize("make", [slot, asked_for, task, attempt, record, artifact, report])
def test_the_second_row_is_refused(hub_database: Database, make: Callable[[Rows], Any]) -> None:
    with hub_database.transaction() as session:
        rows = fill(session, 1)
        session.add(make(rows))
    with pytest.raises(IntegrityError), hub_database.transaction() as session:
        session.add(make(rows))
    with hub_database.reading() as session:
        assert session.scalar(select(func.count()).select_from(type(make(rows)))) == 2


def test_rows_without_a_key_are_no_doubles(hub_database: Database) -> None:
    with hub_database.transaction() as session:
        session.add_all([execution(1), execution(1), execution(1, schedule_id=7), execution(2, idempotency_key="k")])
        session.add(execution(1, idempotency_key="k"))


def test_keys_tell_upper_and_lower_case_and_accents_apart(hub_database: Database) -> None:
    with hub_database.transaction() as session:
        session.add_all([execution(1, idempotency_key=key) for key in ("abc", "ABC", "äbc", "abć")])


def test_names_of_tenants_are_unique(hub_database: Database) -> None:
    with pytest.raises(IntegrityError), hub_database.transaction() as session:
        session.add(Tenant(name="default", created_at=NOW))
