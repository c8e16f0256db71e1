"""Takes requests in: one execution for one ask, however often the ask is repeated."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from execution_engine.preparing import check_formats, parameter_specs, plain
from shared.cron import check_timezone
from shared.db.executions import audit_execution, new_execution
from shared.db.models import Datasource, Delivery, Execution, Report, Schedule
from shared.errors import Conflict, FieldProblem, InvalidInput, NotFound
from shared.executions import ExecuteBody, derive_state
from shared.parameters import resolve_parameters
from shared.web import ServiceContext

_KEY_LENGTH = 255


@dataclass(frozen=True, slots=True)
class AcceptedExecution:
    execution: Execution
    is_replayed: bool


class Acceptor:
    """Writes the queue row before the answer is given: what was acknowledged is never lost."""

    def __init__(self, context: ServiceContext) -> None:
        self._context = context

    def accept(
        self, tenant_id: int, config_id: int, body: ExecuteBody, key: str | None, *, trigger: str = "manual", actor: str
    ) -> AcceptedExecution:
        """Ask for one execution.

        Raises:
            NotFound: no such report.
            InvalidInput: parameters or formats do not fit; or the key was used with another body.
            Conflict: the report or its datasource is switched off.
        """
        if key is not None and not 0 < len(key) <= _KEY_LENGTH:
            raise InvalidInput("Idempotency-Key has 1 to 255 characters.", details=[_key_problem()])
        request_hash = _hash(config_id, body)
        replayed = self._known(tenant_id, key, request_hash)
        if replayed is not None:
            return AcceptedExecution(replayed, is_replayed=True)

        def work(session: Session) -> Execution:
            execution = self._new(session, config_id, body, trigger)
            execution.idempotency_key, execution.request_hash = key, request_hash
            session.add(execution)
            audit_execution(session, execution, actor, "accepted", self._context.clock.now())
            return execution

        try:
            execution = self._context.database.run(work, tenant_id)
        except IntegrityError:  # the same key came in at the same moment
            replayed = self._known(tenant_id, key, request_hash)
            if replayed is None:
                raise
            return AcceptedExecution(replayed, is_replayed=True)
        return AcceptedExecution(execution, is_replayed=False)

    def queued(self, tenant_id: int | None, execution_ids: list[str]) -> list[Execution]:
        """Executions that were queued by another service and should start now; unknown ids are refused.

        `tenant_id` is None for our own services: a scheduler fires for all tenants.
        """
        database = self._context.database
        with database.reading() if tenant_id is None else database.scoped(tenant_id) as session:
            found = list(session.scalars(select(Execution).where(Execution.id.in_(execution_ids))))
        if len(found) < len(set(execution_ids)):
            raise NotFound("One of these executions does not exist.")
        return found

    def request_cancel(self, tenant_id: int, execution_id: str, actor: str) -> Execution:
        """Ask for the end of an execution: a queued one ends at once, a running one as soon as its engine sees it.

        Raises:
            NotFound: no such execution.
            Conflict: it has ended already.
        """
        now = self._context.clock.now()
        with self._context.database.scoped(tenant_id, is_write=True) as session:
            execution = session.scalar(select(Execution).where(Execution.id == execution_id).with_for_update())
            if execution is None:
                raise NotFound("There is no execution with this id.")
            if execution.status not in ("QUEUED", "RUNNING"):
                state = derive_state(execution.status, execution.delivery_status)
                raise Conflict(
                    f"The execution has ended already; it is {state}.",
                    hint="Switch the delivery off to stop further attempts." if state == "DELIVERING" else None,
                )
            execution.cancel_requested_at = execution.cancel_requested_at or now
            if execution.status == "QUEUED":
                execution.status, execution.completed_at = "CANCELLED", now
            audit_execution(session, execution, actor, "cancel_requested", now)
        return execution

    def _new(self, session: Session, config_id: int, body: ExecuteBody, trigger: str) -> Execution:
        report = session.get(Report, config_id)
        if report is None:
            raise NotFound("There is no report with this id.")
        if not report.is_active:
            raise Conflict(f"The report {report.name} is switched off.", hint="Set is_active to true.")
        now = self._context.clock.now()
        scheduled_for = body.scheduled_for or now
        timezone = check_timezone(body.timezone).key if body.timezone else "UTC"
        self._check(session, report, body, scheduled_for, timezone)
        return new_execution(
            report,
            trigger=trigger,
            scheduled_for=scheduled_for,
            now=now,
            max_attempts=self._context.settings.max_attempts,
            schedule_id=body.schedule_id,
            parameters={name: plain(value) for name, value in body.parameters.items()},
            request={
                "parameters": body.parameters,
                "formats": check_formats(body.formats),
                "deliver": body.deliver,
                "delivery_ids": body.delivery_ids,
                "timezone": timezone,
            },
        )

    def _check(
        self, session: Session, report: Report, body: ExecuteBody, scheduled_for: datetime, timezone: str
    ) -> None:
        datasource = session.get(Datasource, report.datasource_id)
        if datasource is not None and not datasource.is_active:
            raise Conflict(f"The datasource {datasource.name} is switched off.", hint="Set is_active to true.")
        specs = parameter_specs(report.parameters, "parameters")
        resolve_parameters(specs, body.parameters, scheduled_for, timezone)
        if body.schedule_id is not None:
            schedule = session.get(Schedule, body.schedule_id)
            if schedule is None or schedule.config_id != report.id:
                message = "names a schedule that this report does not have"
                raise InvalidInput(f"schedule_id {message}.", details=[FieldProblem("schedule_id", message)])
        if body.delivery_ids:
            named = select(Delivery).where(Delivery.config_id == report.id, Delivery.id.in_(body.delivery_ids))
            found = {delivery.id: delivery for delivery in session.scalars(named)}
            if len(found) < len(set(body.delivery_ids)):
                message = "names a delivery that this report does not have"
                raise InvalidInput(f"delivery_ids {message}.", details=[FieldProblem("delivery_ids", message)])
            for delivery in found.values():
                if not delivery.is_active:
                    raise Conflict(f"The delivery {delivery.name} is switched off.", hint="Set is_active to true.")

    def _known(self, tenant_id: int, key: str | None, request_hash: str) -> Execution | None:
        if key is None:
            return None
        with self._context.database.scoped(tenant_id) as session:
            execution = session.scalar(select(Execution).where(Execution.idempotency_key == key))
        if execution is not None and execution.request_hash != request_hash:
            raise InvalidInput("This Idempotency-Key was used with another request.", details=[_key_problem()])
        return execution


def _hash(config_id: int, body: ExecuteBody) -> str:
    fields: dict[str, Any] = body.model_dump(mode="json", include=set(ExecuteBody.model_fields) - {"wait_seconds"})
    return hashlib.sha256(json.dumps([config_id, fields], sort_keys=True, default=str).encode()).hexdigest()


def _key_problem() -> FieldProblem:
    return FieldProblem("Idempotency-Key", "must be new for a new request, and the same for a repeated one")
