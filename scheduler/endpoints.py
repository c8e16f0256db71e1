"""The scheduler's routes (DESIGN: section 7)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path
from pydantic import BaseModel

from scheduler.definitions import Definitions, Due
from scheduler.runner import TickRunner
from shared.cron import parse
from shared.db.models import Schedule
from shared.errors import ReportHubError
from shared.web import Envelope, ListQuery, Page, ServiceContext, success
from shared.web.app import Asker

Id = Annotated[int, Path(ge=1, le=2**63 - 1)]


class StatusOut(BaseModel):
    is_running: bool
    scheduler: str
    started_at: datetime
    last_tick_at: datetime | None
    last_error: str | None
    next_run_at: datetime | None
    active_count: int
    inactive_count: int
    fired_count: int
    missed_count: int


class JobOut(BaseModel):
    schedule_id: int
    config_id: int
    report_name: str
    name: str
    cron_expression: str
    timezone: str
    sentence: str
    next_run_at: datetime | None
    last_run_at: datetime | None
    run_count: int


class ReloadOut(BaseModel):
    active_count: int
    changed: list[int]
    broken: dict[int, str]


class TriggerOut(BaseModel):
    execution_id: str
    config_id: int
    status: str


def scheduler_routes(context: ServiceContext, runner: TickRunner) -> APIRouter:
    router = APIRouter(prefix="/api/scheduler", tags=["scheduler"])
    definitions = Definitions(context.database, context.clock)

    @router.get("/status", response_model=Envelope[StatusOut], summary="Is it ticking, and what comes next")
    def status(asker: Asker) -> dict[str, Any]:
        active, inactive = definitions.counts(asker.tenant_id)
        return success(
            StatusOut(
                is_running=runner.is_running,
                scheduler=runner.actor,
                started_at=runner.started_at,
                last_tick_at=runner.last_tick_at,
                last_error=runner.last_error,
                next_run_at=definitions.next_due(asker.tenant_id),
                active_count=active,
                inactive_count=inactive,
                fired_count=runner.fired_count,
                missed_count=runner.missed_count,
            )
        )

    @router.get("/jobs", response_model=Envelope[Page[JobOut]], summary="What is due when")
    def jobs(asker: Asker, listing: ListQuery) -> dict[str, Any]:
        due, total = definitions.due(asker.tenant_id, listing.limit, listing.offset)
        items = [_job(item) for item in due]
        return success(Page(items=items, total=total, limit=listing.limit, offset=listing.offset))

    @router.post("/reload", response_model=Envelope[ReloadOut], summary="Read all schedules again")
    def reload(asker: Asker) -> dict[str, Any]:
        asker.require("editor")
        found = definitions.reload(asker.tenant_id)
        message = f"{len(found.changed)} next times were recomputed." if found.changed else "Nothing had changed."
        return success(ReloadOut(active_count=found.active_count, changed=found.changed, broken=found.broken), message)

    @router.post(
        "/trigger/{schedule_id}", status_code=202, response_model=Envelope[TriggerOut], summary="Execute it now"
    )
    def trigger(
        schedule_id: Id, asker: Asker, key: Annotated[str | None, Header(alias="Idempotency-Key")] = None
    ) -> dict[str, Any]:
        asker.require("editor")
        schedule = definitions.get(asker.tenant_id, schedule_id)
        body = {
            "parameters": schedule.parameters or {},
            "formats": schedule.formats,
            "delivery_ids": schedule.delivery_ids,
            "timezone": schedule.timezone,
            "schedule_id": schedule_id,
        }
        path = f"/api/execute/{schedule.config_id}"
        accepted = runner.engine.call("POST", path, asker.tenant_id, body, actor=asker.actor, idempotency_key=key)
        return success(accepted, "The execution was accepted; the schedule's next time stays as it is.")

    return router


def _job(due: Due) -> JobOut:
    schedule = due.schedule
    return JobOut(
        schedule_id=schedule.id,
        config_id=schedule.config_id,
        report_name=due.report_name,
        name=schedule.name,
        cron_expression=schedule.cron_expression,
        timezone=schedule.timezone,
        sentence=_sentence(schedule),
        next_run_at=schedule.next_run_at,
        last_run_at=schedule.last_run_at,
        run_count=schedule.run_count,
    )


def _sentence(schedule: Schedule) -> str:
    try:
        return parse(schedule.cron_expression).sentence(schedule.timezone)
    except ReportHubError as error:  # one broken schedule hides no good one
        return error.message
