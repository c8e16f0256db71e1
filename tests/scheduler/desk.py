"""What tests of the scheduler need: schedules in a database, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert, select, update

from scheduler.slots import Fired, SlotMaker
from shared.clock import ManualClock
from shared.db.database import Database
from shared.db.models import AuditEntry, Datasource, Execution, Report, Schedule

SEVEN = datetime(2026, 11, 24, 7, tzinfo=UTC)
"""A Tuesday."""


def add_report(database: Database, tenant_id: int = 1, *, is_active: bool = True, name: str = "Sales") -> int:
    saved = {"tenant_id": tenant_id, "created_at": SEVEN, "updated_at": SEVEN}
    with database.transaction() as session:
        source = Datasource(name=f"source of {name}", type="sqlite", **saved)
        session.add(source)
        session.flush()
        report = Report(
            name=name, datasource_id=source.id, query="SELECT 1", formats=["csv"], file_name_template="sales",
            is_active=is_active, **saved,
        )  # fmt: skip
        session.add(report)
        session.flush()
        return report.id


def schedule_fields(config_id: int, **fields: Any) -> dict[str, Any]:
    known = {
        "tenant_id": 1, "config_id": config_id, "name": "daily", "cron_expression": "0 7 * * *", "timezone": "UTC",
        "parameters": {}, "next_run_at": SEVEN, "created_at": SEVEN, "updated_at": SEVEN, "version": 1,
    }  # fmt: skip
    return {**known, **fields}


def add_schedule(database: Database, config_id: int, **fields: Any) -> int:
    with database.transaction() as session:
        schedule = Schedule(**schedule_fields(config_id, **fields))
        session.add(schedule)
        session.flush()
        return schedule.id


def add_schedules(database: Database, config_id: int, count: int, **fields: Any) -> None:
    with database.transaction() as session:
        session.execute(insert(Schedule), [schedule_fields(config_id, name=f"s{n}", **fields) for n in range(count)])


def change(database: Database, schedule_id: int, **values: Any) -> None:
    with database.transaction() as session:
        session.execute(update(Schedule).where(Schedule.id == schedule_id).values(**values))


def schedule_of(database: Database, schedule_id: int) -> Schedule:
    with database.reading() as session:
        return session.get_one(Schedule, schedule_id)


def executions(database: Database, schedule_id: int | None = None) -> Sequence[Execution]:
    """In the order of their slots."""
    statement = select(Execution).order_by(Execution.schedule_id, Execution.scheduled_for)
    if schedule_id is not None:
        statement = statement.where(Execution.schedule_id == schedule_id)
    with database.reading() as session:
        return session.scalars(statement).all()


def slots(database: Database, schedule_id: int, status: str = "QUEUED") -> list[datetime]:
    return [row.scheduled_for for row in executions(database, schedule_id) if row.status == status]


def audit(database: Database, action: str) -> Sequence[Mapping[str, Any]]:
    with database.reading() as session:
        found = session.scalars(select(AuditEntry).where(AuditEntry.action == action).order_by(AuditEntry.id))
        return [{"object_id": entry.object_id, "actor": entry.actor, **(entry.after or {})} for entry in found]


def at(database: Database, moment: datetime, actor: str = "scheduler:test") -> list[Fired]:
    """Fire what is due at that moment."""
    return fire_all(SlotMaker(database, ManualClock(moment), actor, 3))


def fire_all(maker: SlotMaker) -> list[Fired]:
    fired = [maker.tick()]
    while fired[-1].has_more:
        fired.append(maker.tick())
    return fired


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)
