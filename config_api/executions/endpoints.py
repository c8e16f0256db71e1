"""Routes of executions and their files."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import AwareDatetime
from sqlalchemy import ColumnElement

from config_api.executions.events import event_stream
from config_api.executions.service import Download, Executions
from config_api.filters import contains
from shared.db.executions import state_filter
from shared.db.models import Execution
from shared.executions import Accepted, ExecutionOut, ExecutionStory
from shared.services import EngineClient
from shared.web import Envelope, ListQuery, Page, ServiceContext, success
from shared.web.app import Asker

ExecutionId = Annotated[str, Path(max_length=36, pattern="^[0-9a-fA-F-]+$")]
State = Literal["QUEUED", "RUNNING", "DELIVERING", "COMPLETED", "PARTIAL", "FAILED", "CANCELLED", "SKIPPED", "HELD"]


def execution_filters(
    config_id: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    schedule_id: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    state: State | None = None,
    status: Literal["QUEUED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "SKIPPED", "HELD"] | None = None,
    delivery_status: Literal["NONE", "PENDING", "DELIVERING", "DELIVERED", "PARTIAL", "FAILED"] | None = None,
    trigger: Literal["manual", "schedule", "record", "backfill", "retry"] | None = None,
    report: Annotated[str | None, Query(max_length=200, description="Part of the report's name.")] = None,
    since: Annotated[AwareDatetime | None, Query(description="Created at or after (ISO 8601 with offset).")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Created before.")] = None,
) -> list[ColumnElement[bool]]:
    equal = {
        Execution.config_id: config_id,
        Execution.schedule_id: schedule_id,
        Execution.status: status,
        Execution.delivery_status: delivery_status,
        Execution.trigger: trigger,
    }
    conditions = [column == value for column, value in equal.items() if value is not None]
    if state is not None:
        conditions.append(state_filter(state))
    if report is not None:
        conditions.append(contains(Execution.report_name, report))
    if since is not None:
        conditions.append(Execution.created_at >= since)
    if until is not None:
        conditions.append(Execution.created_at < until)
    return conditions


def execution_routes(context: ServiceContext, engine: EngineClient) -> APIRouter:
    router = APIRouter(prefix="/api/executions", tags=["executions"])
    executions = Executions(context, engine)

    @router.get("", response_model=Envelope[Page[ExecutionOut]], summary="List executions, newest first", name="list")
    def list_executions(
        asker: Asker,
        listing: ListQuery,
        conditions: Annotated[list[Any], Depends(execution_filters)],
    ) -> dict[str, Any]:
        return success(executions.page(asker, listing, conditions))

    @router.get("/{execution_id}", response_model=Envelope[ExecutionStory], summary="The whole story", name="get")
    def get(execution_id: ExecutionId, asker: Asker) -> dict[str, Any]:
        return success(executions.story(asker, execution_id))

    @router.get("/{execution_id}/download", response_class=FileResponse, summary="Download the file of one format")
    def download(
        execution_id: ExecutionId,
        asker: Asker,
        format: Annotated[str | None, Query(max_length=32)] = None,  # noqa: A002 - the name in the query string
    ) -> FileResponse:
        return _file(executions.download(asker, execution_id, format_name=format))

    @router.get(
        "/{execution_id}/artifacts/{artifact_id}/download", response_class=FileResponse, summary="Download an artifact"
    )
    def download_artifact(
        execution_id: ExecutionId, artifact_id: Annotated[int, Path(ge=1, le=2**63 - 1)], asker: Asker
    ) -> FileResponse:
        return _file(executions.download(asker, execution_id, artifact_id=artifact_id))

    @router.post(
        "/{execution_id}/retry", status_code=202, response_model=Envelope[Accepted], summary="Do again what failed"
    )
    def retry(execution_id: ExecutionId, asker: Asker) -> dict[str, Any]:
        asker.require("editor")
        return success(executions.retry(asker, execution_id), "What failed is done again.")

    @router.post("/{execution_id}/cancel", status_code=202, response_model=Envelope[Accepted], summary="Cancel")
    def cancel(execution_id: ExecutionId, asker: Asker) -> dict[str, Any]:
        asker.require("editor")
        return success(executions.cancel(asker, execution_id), "The execution is being cancelled.")

    @router.delete("/{execution_id}", response_model=Envelope[dict[str, str]], summary="Delete from the history")
    def delete(execution_id: ExecutionId, asker: Asker) -> dict[str, Any]:
        asker.require("editor")
        executions.delete(asker, execution_id)
        return success({"execution_id": execution_id}, "The execution and its files were deleted.")

    @router.get("/{execution_id}/events", response_class=StreamingResponse, summary="Progress as server-sent events")
    def events(execution_id: ExecutionId, asker: Asker) -> StreamingResponse:
        first = executions.story(asker, execution_id)
        stream = event_stream(lambda: executions.story(asker, execution_id), first)
        return StreamingResponse(stream, media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    return router


def _file(found: Download) -> FileResponse:
    headers = {"Digest": f"sha-256={found.sha256}", "Cache-Control": "private, no-cache"}
    return FileResponse(found.path, media_type=found.media_type, filename=found.file_name, headers=headers)
