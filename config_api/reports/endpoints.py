"""Routes of reports."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from sqlalchemy import ColumnElement

from config_api.engine import Key, ask, execute
from config_api.executions.filters import history_filters
from config_api.executions.service import Executions
from config_api.filters import contains, has_item
from config_api.queries.schemas import ReportPreview
from config_api.reports.service import Reports
from config_api.routes import RowId, add_routes
from shared.db.models import Execution, Report
from shared.errors import FieldProblem, InvalidInput
from shared.executions import Accepted, ExecuteBody, ExecutionOut
from shared.questions import PreviewOut
from shared.services import EngineClient
from shared.web import Envelope, ListQuery, Page, ServiceContext, success
from shared.web.app import Asker


def report_filters(
    name: Annotated[str | None, Query(max_length=200, description="Part of the name.")] = None,
    datasource_id: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    tag: Annotated[str | None, Query(max_length=64)] = None,
    is_active: bool | None = None,
) -> list[ColumnElement[bool]]:
    conditions = []
    if name is not None:
        conditions.append(contains(Report.name, name))
    if datasource_id is not None:
        conditions.append(Report.datasource_id == datasource_id)
    if tag is not None:
        conditions.append(has_item(Report.tags, tag))
    if is_active is not None:
        conditions.append(Report.is_active.is_(is_active))
    return conditions


def report_routes(context: ServiceContext, engine: EngineClient) -> APIRouter:
    router = APIRouter(prefix="/api/reports", tags=["reports"])
    reports, executions = Reports(context), Executions(context, engine)
    add_routes(
        router,
        reports,
        report_filters,
        change_example={"format_options": {"csv": {"delimiter": ";"}, "pdf": None}, "row_limit": 10000},
    )

    @router.post("/{id}/execute", status_code=202, response_model=Envelope[Accepted], summary="Execute a report now")
    def execute_report(
        row_id: RowId, asker: Asker, response: Response, body: ExecuteBody | None = None, key: Key = None
    ) -> dict[str, Any]:
        asker.require("editor")
        reports.get(asker, row_id)
        accepted = execute(engine, asker, row_id, body or ExecuteBody(), key, response)
        return success(accepted, "The execution was accepted.")

    @router.get(
        "/{id}/executions",
        response_model=Envelope[Page[ExecutionOut]],
        summary="Executions of a report, newest first",
    )
    def history(
        row_id: RowId, asker: Asker, listing: ListQuery, conditions: Annotated[list[Any], Depends(history_filters)]
    ) -> dict[str, Any]:
        reports.get(asker, row_id)
        return success(executions.page(asker, listing, [Execution.config_id == row_id, *conditions]))

    @router.get("/{id}/preview", response_model=Envelope[PreviewOut], summary="The first rows")
    def preview(
        row_id: RowId,
        asker: Asker,
        limit: Annotated[int | None, Query(ge=1, le=10_000)] = None,
        param: Annotated[list[str] | None, Query(description="name=value, may be repeated")] = None,
    ) -> dict[str, Any]:
        reports.get(asker, row_id)
        body = ReportPreview(config_id=row_id, parameters=_pairs(param or []), limit=limit)
        return success(ask(engine, asker, PreviewOut, "POST", "/api/preview", body))

    return router


def _pairs(given: list[str]) -> dict[str, str]:
    if any("=" not in item for item in given):
        message = "must have the form name=value"
        raise InvalidInput(f"param {message}.", details=[FieldProblem("param", message)])
    return dict(item.split("=", 1) for item in given)
