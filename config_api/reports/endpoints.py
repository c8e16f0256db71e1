"""Routes of reports."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from pydantic import Field
from sqlalchemy import ColumnElement, String, cast

from config_api.executions.service import Executions
from config_api.filters import contains
from config_api.reports.service import Reports
from config_api.routes import RowId, add_routes
from shared.db.models import Execution, Report
from shared.errors import FieldProblem, InvalidInput
from shared.executions import Accepted, ExecuteBody, ExecutionOut
from shared.services import EngineClient
from shared.web import Envelope, ListQuery, Page, ServiceContext, success
from shared.web.app import Asker
from shared.web.body import Body, Id

_SLACK_SECONDS = 30


class ValidateQueryBody(Body):
    datasource_id: Id
    query: str | None = None
    query_spec: dict[str, Any] | None = None
    parameters: list[dict[str, Any]] | dict[str, Any] = Field([], description="Declared ones, or values by name.")


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
        conditions.append(contains(cast(Report.tags, String(4000)), f'"{tag}"'))
    if is_active is not None:
        conditions.append(Report.is_active.is_(is_active))
    return conditions


def report_routes(context: ServiceContext, engine: EngineClient) -> APIRouter:
    router = APIRouter(prefix="/api/reports", tags=["reports"])
    reports, executions = Reports(context), Executions(context, engine)
    add_routes(router, reports, report_filters)

    @router.post(
        "/{row_id}/execute", status_code=202, response_model=Envelope[Accepted], summary="Execute a report now"
    )
    def execute(
        row_id: RowId,
        asker: Asker,
        body: ExecuteBody | None = None,
        key: Annotated[str | None, Header(alias="Idempotency-Key")] = None,
    ) -> dict[str, Any]:
        asker.require("editor")
        reports.get(asker, row_id)
        wanted = body or ExecuteBody()
        accepted = engine.call(
            "POST",
            f"/api/execute/{row_id}",
            asker.tenant_id,
            wanted.model_dump(mode="json", exclude_unset=True),
            idempotency_key=key,
            timeout=wanted.wait_seconds + _SLACK_SECONDS,
        )
        return success(accepted, "The execution was accepted.")

    @router.get(
        "/{row_id}/executions",
        response_model=Envelope[Page[ExecutionOut]],
        summary="Executions of a report, newest first",
    )
    def history(row_id: RowId, asker: Asker, listing: ListQuery) -> dict[str, Any]:
        reports.get(asker, row_id)
        return success(executions.page(asker, listing, [Execution.config_id == row_id]))

    @router.get("/{row_id}/preview", response_model=Envelope[dict[str, Any]], summary="The first rows")
    def preview(
        row_id: RowId,
        asker: Asker,
        limit: Annotated[int | None, Query(ge=1, le=10_000)] = None,
        param: Annotated[list[str] | None, Query(description="name=value, may be repeated")] = None,
    ) -> dict[str, Any]:
        reports.get(asker, row_id)
        body = {"config_id": row_id, "parameters": _pairs(param or []), "limit": limit}
        return success(engine.call("POST", "/api/preview", asker.tenant_id, body))

    return router


def validation_routes(engine: EngineClient) -> APIRouter:
    router = APIRouter(prefix="/api", tags=["reports"])

    @router.post("/validate-query", response_model=Envelope[dict[str, Any]], summary="Would this query run?")
    def validate_query(body: ValidateQueryBody, asker: Asker) -> dict[str, Any]:
        return success(engine.call("POST", "/api/validate-query", asker.tenant_id, body.model_dump(mode="json")))

    @router.post("/preview", response_model=Envelope[dict[str, Any]], summary="The first rows of a query")
    def preview(body: dict[str, Any], asker: Asker) -> dict[str, Any]:
        asker.require("editor")
        return success(engine.call("POST", "/api/preview", asker.tenant_id, body))

    return router


def _pairs(given: list[str]) -> dict[str, str]:
    if any("=" not in item for item in given):
        message = "must have the form name=value"
        raise InvalidInput(f"param {message}.", details=[FieldProblem("param", message)])
    return dict(item.split("=", 1) for item in given)  # type: ignore[misc]
