"""Deliveries that ended without arriving: listed, explained, and tried again when somebody says so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from config_api.changes import note_change
from config_api.engine import nudge
from shared.auth import Principal
from shared.db.executions import attempts_of, task_out
from shared.db.models import Delivery, DeliveryTask, Execution
from shared.errors import Conflict, NotFound
from shared.executions import DeliveryTaskOut
from shared.services import EngineClient
from shared.web import Page, ServiceContext, ordered
from shared.web.listing import Listing

DEAD = ("DEAD", "REFUSED", "UNKNOWN")
_MAX_REPLAYED = 1000


class DeadLetterOut(DeliveryTaskOut):
    execution_id: str
    report_name: str
    config_id: int


class Replayed(BaseModel):
    ids: list[int]


class DeadLetters:
    def __init__(self, context: ServiceContext, engine: EngineClient) -> None:
        self._context = context
        self._engine = engine

    def page(
        self, asker: Principal, listing: Listing, conditions: Sequence[ColumnElement[bool]]
    ) -> Page[DeadLetterOut]:
        where = (DeliveryTask.status.in_(DEAD), *conditions)
        columns = {"id": DeliveryTask.id, "completed_at": DeliveryTask.completed_at, "method": DeliveryTask.method}
        with self._context.database.scoped(asker.tenant_id) as session:
            total = session.scalar(select(func.count()).select_from(DeliveryTask).where(*where)) or 0
            statement = select(DeliveryTask, Execution).join(Execution, Execution.id == DeliveryTask.execution_id)
            rows = session.execute(ordered(statement.where(*where), listing, columns)).all()
            attempts = attempts_of(session, [task.id for task, _ in rows])
            items = [
                DeadLetterOut(
                    **task_out(task, attempts[task.id]).model_dump(),
                    execution_id=execution.id,
                    report_name=execution.report_name,
                    config_id=execution.config_id,
                )
                for task, execution in rows
            ]
        return Page(items=items, total=total, limit=listing.limit, offset=listing.offset)

    def replay(self, asker: Principal, task_ids: Sequence[int] | None) -> Replayed:
        """Try those (None: all) again, each with as many attempts as its delivery allows.

        Raises:
            NotFound: one of them does not exist.
            Conflict: one of them is no dead letter (any more).
        """
        now = self._context.clock.now()
        with self._context.database.scoped(asker.tenant_id, is_write=True) as session:
            statement = select(DeliveryTask).with_for_update().order_by(DeliveryTask.id).limit(_MAX_REPLAYED)
            if task_ids is None:
                with_delivery = DeliveryTask.delivery_id.in_(select(Delivery.id))
                statement = statement.where(DeliveryTask.status.in_(DEAD), with_delivery)
            else:
                statement = statement.where(DeliveryTask.id.in_(task_ids))
            tasks = session.scalars(statement).all()
            if task_ids is not None and len(tasks) < len(set(task_ids)):
                raise NotFound("There is no dead letter with this id.")
            if any(task.status not in DEAD for task in tasks):
                raise Conflict("This delivery is no dead letter (any more).")
            reopen(session, tasks, now)
            for task in tasks:
                note_change(session, asker, "replayed", "dead_letter", task.id, now=now)
        if tasks:
            nudge(self._engine, asker, tasks[0].execution_id)
        return Replayed(ids=[task.id for task in tasks])


def reopen(session: Session, tasks: Sequence[DeliveryTask], now: datetime) -> None:
    """Make ended tasks due again; those who have received keep what they have."""
    for task in tasks:
        delivery = session.scalar(select(Delivery).where(Delivery.id == task.delivery_id))
        if delivery is None:
            raise Conflict("The delivery of this dead letter was deleted.")
        task.status, task.next_attempt_at, task.completed_at = "PENDING", now, None
        task.attempts_allowed = task.attempt + 1 + delivery.max_retry
    for execution_id in {task.execution_id for task in tasks}:
        execution = session.scalar(select(Execution).where(Execution.id == execution_id).with_for_update())
        if execution is not None:
            execution.delivery_status = "DELIVERING"
