"""The engine's routes (DESIGN: section 7). They know HTTP and no SQL."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Response
from starlette.concurrency import run_in_threadpool

from execution_engine.accepting import Acceptor
from execution_engine.engine import Engine
from execution_engine.question_bodies import DeliveryTestBody, PreviewBody, ValidateBody
from execution_engine.questions import Questions
from execution_engine.stories import Stories
from shared.auth import Principal
from shared.errors import FieldProblem, InvalidInput
from shared.executions import Accepted, ExecuteBody, ExecuteRequest, ExecutionStory
from shared.questions import DeliveryTestOut, PreviewOut, SourceTestOut, TableOut, ValidateOut
from shared.web import Envelope, ServiceContext, success
from shared.web.app import Asker

Id = Annotated[int, Path(ge=1, le=2**63 - 1)]
ExecutionId = Annotated[str, Path(max_length=36)]
Key = Annotated[str | None, Header(alias="Idempotency-Key", description="The same key and body give the same answer.")]
_WAIT_STEP = 0.05


def execution_routes(context: ServiceContext, engine: Engine) -> APIRouter:
    router = APIRouter(prefix="/api", tags=["executions"])
    acceptor, stories = Acceptor(context), Stories(context)

    async def start(
        asker: Principal, config_id: int, body: ExecuteBody, key: str | None, response: Response
    ) -> dict[str, Any]:
        asker.require("editor")
        accepted = await run_in_threadpool(
            acceptor.accept, asker.tenant_id, config_id, body, key, trigger=_trigger(asker), actor=asker.actor
        )
        engine.nudge()
        if accepted.is_replayed:
            response.headers["Idempotent-Replayed"] = "true"
        status = await _wait(stories, asker.tenant_id, accepted.execution.id, body.wait_seconds)
        data = Accepted(execution_id=accepted.execution.id, config_id=config_id, status=status)
        return success(data, "The execution was accepted.")

    @router.post("/execute/{config_id}", status_code=202, response_model=Envelope[Accepted], summary="Execute a report")
    async def execute(
        config_id: Id, asker: Asker, response: Response, body: ExecuteBody | None = None, key: Key = None
    ) -> dict[str, Any]:
        return await start(asker, config_id, body or ExecuteBody(), key, response)

    @router.post(
        "/execute", status_code=202, response_model=Envelope[Accepted | list[Accepted]], summary="Execute by body"
    )
    async def execute_many(body: ExecuteRequest, asker: Asker, response: Response, key: Key = None) -> dict[str, Any]:
        if (body.config_id is None) == (body.execution_ids is None):
            message = "give either config_id or execution_ids"
            raise InvalidInput(f"The body must {message}.", details=[FieldProblem("config_id", message)])
        if body.config_id is not None:
            only = ExecuteBody(**body.model_dump(exclude={"config_id", "execution_ids"}))
            return await start(asker, body.config_id, only, key, response)
        asker.require("editor")
        tenant_id = None if asker.actor.startswith("service:") else asker.tenant_id
        found = await run_in_threadpool(acceptor.queued, tenant_id, body.execution_ids or [])
        engine.nudge()
        accepted = [Accepted(execution_id=item.id, config_id=item.config_id, status=item.status) for item in found]
        return success(accepted, "The executions start as soon as a slot is free.")

    @router.get("/execution/{execution_id}", response_model=Envelope[ExecutionStory], summary="The whole story")
    def execution(execution_id: ExecutionId, asker: Asker) -> dict[str, Any]:
        return success(stories.story(asker.tenant_id, execution_id))

    @router.post(
        "/execution/{execution_id}/cancel",
        status_code=202,
        response_model=Envelope[Accepted],
        summary="Cancel, on the datasource's server too",
    )
    def cancel(execution_id: ExecutionId, asker: Asker) -> dict[str, Any]:
        asker.require("editor")
        ended = acceptor.request_cancel(asker.tenant_id, execution_id, asker.actor)
        engine.cancel(execution_id)
        data = Accepted(execution_id=execution_id, config_id=ended.config_id, status=ended.status)
        return success(data, "The execution is being cancelled.")

    return router


def question_routes(context: ServiceContext, engine: Engine) -> APIRouter:
    router = APIRouter(prefix="/api", tags=["questions"])
    questions = Questions(context, engine)

    @router.post(
        "/test-datasource/{datasource_id}", response_model=Envelope[SourceTestOut], summary="Connect and log in"
    )
    def test_datasource(datasource_id: Id, asker: Asker) -> dict[str, Any]:
        asker.require("editor")
        return success(questions.test_datasource(asker.tenant_id, datasource_id), "The datasource answers.")

    @router.get(
        "/datasource-tables/{datasource_id}", response_model=Envelope[list[TableOut]], summary="Tables and columns"
    )
    def tables(datasource_id: Id, asker: Asker) -> dict[str, Any]:
        return success(questions.tables(asker.tenant_id, datasource_id))

    @router.post("/test-delivery/{delivery_id}", response_model=Envelope[DeliveryTestOut], summary="Send a test")
    def test_delivery(delivery_id: Id, asker: Asker, body: DeliveryTestBody | None = None) -> dict[str, Any]:
        asker.require("editor")
        answer = questions.test_delivery(asker.tenant_id, delivery_id, body or DeliveryTestBody())
        return success(answer, "The test arrived.")

    @router.post("/preview", response_model=Envelope[PreviewOut], summary="The first rows")
    def preview(body: PreviewBody, asker: Asker) -> dict[str, Any]:
        if body.config_id is None:  # a query of one's own, not one that an editor has saved
            asker.require("editor")
        return success(questions.preview(asker.tenant_id, body))

    @router.post("/validate-query", response_model=Envelope[ValidateOut], summary="Would this query run?")
    def validate_query(body: ValidateBody, asker: Asker) -> dict[str, Any]:
        asker.require("editor")
        return success(questions.validate(asker.tenant_id, body))

    return router


def _trigger(asker: Principal) -> str:
    return "record" if asker.actor.startswith("service:intake") else "manual"


async def _wait(stories: Stories, tenant_id: int, execution_id: str, seconds: float) -> str:
    """The status when the execution and its deliveries have ended, or after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        status, is_over = await run_in_threadpool(stories.status, tenant_id, execution_id)
        if is_over or time.monotonic() >= deadline:
            return status
        await asyncio.sleep(min(_WAIT_STEP, max(0.0, deadline - time.monotonic())))
