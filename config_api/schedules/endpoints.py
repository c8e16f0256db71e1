"""Routes of schedules."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from sqlalchemy import ColumnElement

from config_api.engine import Key, execute
from config_api.filters import contains
from config_api.routes import RowId, add_routes
from config_api.schedules.schemas import ScheduleOut, SchedulePreviewBody, SchedulePreviewOut, ToggleBody
from config_api.schedules.service import Schedules
from config_api.versions import Expected, IfMatch, tagged
from shared.db.models import Schedule
from shared.executions import Accepted, ExecuteBody
from shared.services import EngineClient
from shared.web import Envelope, ServiceContext, success
from shared.web.app import Asker


def schedule_filters(
    name: Annotated[str | None, Query(max_length=200, description="Part of the name.")] = None,
    config_id: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    is_active: bool | None = None,
) -> list[ColumnElement[bool]]:
    conditions = []
    if name is not None:
        conditions.append(contains(Schedule.name, name))
    if config_id is not None:
        conditions.append(Schedule.config_id == config_id)
    if is_active is not None:
        conditions.append(Schedule.is_active.is_(is_active))
    return conditions


def schedule_routes(context: ServiceContext, engine: EngineClient) -> APIRouter:
    router = APIRouter(prefix="/api/schedules", tags=["schedules"])
    schedules = Schedules(context)

    @router.post("/preview", response_model=Envelope[SchedulePreviewOut], summary="What a cron expression means")
    def preview(body: SchedulePreviewBody) -> dict[str, Any]:
        return success(schedules.preview(body))

    add_routes(router, schedules, schedule_filters, change_example={"cron_expression": "30 6 * * MON-FRI"})

    @router.patch("/{id}/toggle", response_model=Envelope[ScheduleOut], summary="Pause or resume")
    def toggle(
        row_id: RowId, asker: Asker, tags: IfMatch, response: Response, body: ToggleBody | None = None
    ) -> dict[str, Any]:
        asker.require("editor")
        wanted = body or ToggleBody()
        shown = schedules.toggle(asker, row_id, wanted.is_active, Expected(wanted.version, tags))
        tagged(response, shown.version)
        return success(shown, "The schedule is active." if shown.is_active else "The schedule is paused.")

    @router.post("/{id}/run", status_code=202, response_model=Envelope[Accepted], summary="Execute it now")
    def run(row_id: RowId, asker: Asker, response: Response, key: Key = None) -> dict[str, Any]:
        asker.require("editor")
        schedule = schedules.get(asker, row_id)
        body = ExecuteBody(
            parameters=schedule.parameters,
            formats=schedule.formats,
            delivery_ids=schedule.delivery_ids,
            timezone=schedule.timezone,
            schedule_id=row_id,
        )
        accepted = execute(engine, asker, schedule.config_id, body, key, response)
        return success(accepted, "The execution was accepted; the schedule's next time stays as it is.")

    return router
