"""Routes of executions and their files."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from config_api.executions.download import download_response
from config_api.executions.events import event_stream
from config_api.executions.filters import history_filters, report_filters
from config_api.executions.service import Executions
from shared.executions import Accepted, ExecutionOut, ExecutionStory
from shared.services import EngineClient
from shared.web import Envelope, ErrorEnvelope, ListQuery, Page, ServiceContext, success
from shared.web.app import Asker

ExecutionId = Annotated[str, Path(description="UUID", examples=["01a20f9c-079b-764f-b917-cb88bc0246c5"])]
_FILE: dict[str, Any] = {
    "response_class": Response,
    "responses": {
        200: {
            "description": "The file; its name is in Content-Disposition, its hash in ETag and Repr-Digest.",
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        },
        206: {"description": "The part that Range asked for."},
        304: {"description": "The caller has it already (If-None-Match)."},
        416: {"model": ErrorEnvelope, "description": "The range begins behind the end of the file."},
    },
}
_EVENTS: dict[str, Any] = {
    "response_class": StreamingResponse,
    "responses": {200: {"description": "Events", "content": {"text/event-stream": {"schema": {"type": "string"}}}}},
}


class DeletedExecution(BaseModel):
    execution_id: str


def execution_routes(context: ServiceContext, engine: EngineClient) -> APIRouter:
    router = APIRouter(prefix="/api/executions", tags=["executions"])
    executions = Executions(context, engine)

    @router.get("", response_model=Envelope[Page[ExecutionOut]], summary="List executions, newest first", name="list")
    def list_executions(
        asker: Asker,
        listing: ListQuery,
        of_report: Annotated[list[Any], Depends(report_filters)],
        conditions: Annotated[list[Any], Depends(history_filters)],
    ) -> dict[str, Any]:
        return success(executions.page(asker, listing, [*of_report, *conditions]))

    @router.get("/{execution_id}", response_model=Envelope[ExecutionStory], summary="The whole story", name="get")
    def get(execution_id: ExecutionId, asker: Asker) -> dict[str, Any]:
        return success(executions.story(asker, execution_id))

    @router.get("/{execution_id}/download", summary="Download the file of one format", **_FILE)
    def download(
        execution_id: ExecutionId,
        asker: Asker,
        request: Request,
        format: Annotated[str | None, Query(max_length=32)] = None,  # noqa: A002 - the name in the query string
    ) -> Response:
        return download_response(executions.download(asker, execution_id, format_name=format), request.headers)

    @router.get("/{execution_id}/artifacts/{artifact_id}/download", summary="Download an artifact", **_FILE)
    def download_artifact(
        execution_id: ExecutionId, artifact_id: Annotated[int, Path(ge=1, le=2**63 - 1)], asker: Asker, request: Request
    ) -> Response:
        return download_response(executions.download(asker, execution_id, artifact_id=artifact_id), request.headers)

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

    @router.delete("/{execution_id}", response_model=Envelope[DeletedExecution], summary="Delete from the history")
    def delete(execution_id: ExecutionId, asker: Asker) -> dict[str, Any]:
        asker.require("editor")
        executions.delete(asker, execution_id)
        return success(DeletedExecution(execution_id=execution_id), "The execution and its files were deleted.")

    @router.get("/{execution_id}/events", summary="Progress as server-sent events", **_EVENTS)
    def events(execution_id: ExecutionId, asker: Asker) -> StreamingResponse:
        """`execution` with the whole story whenever it changed, then `done`."""
        first = executions.story(asker, execution_id)
        stream = event_stream(lambda: executions.story(asker, execution_id), first, context.stopping)
        return StreamingResponse(stream, media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    return router
