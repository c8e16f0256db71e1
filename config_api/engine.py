"""Questions that only the execution engine can answer, put on behalf of whoever asks us."""

from __future__ import annotations

import contextlib
from typing import Annotated, Any, TypeVar

from fastapi import Header, Response
from pydantic import BaseModel, TypeAdapter, ValidationError

from shared.auth import Principal
from shared.errors import ReportHubError
from shared.executions import Accepted, ExecuteBody
from shared.services import REPLAYED, EngineClient, unreadable_answer

T = TypeVar("T")
Key = Annotated[
    str | None,
    Header(alias="Idempotency-Key", description="The same key and body give the same execution, however often sent."),
]
_SLACK_SECONDS = 30
"""How much longer than the caller's `wait_seconds` the engine may take."""


def ask(
    engine: EngineClient, asker: Principal, kind: type[T], method: str, path: str, body: BaseModel | None = None
) -> T:
    """The engine's answer, in the form that we promise.

    Raises:
        ServiceUnavailable: it does not answer, or in another form.
        ReportHubError: what it raised.
    """
    sent = None if body is None else body.model_dump(mode="json", exclude_unset=True)
    return _read(kind, engine.call(method, path, asker.tenant_id, sent, actor=asker.actor))


def execute(
    engine: EngineClient, asker: Principal, config_id: int, body: ExecuteBody, key: str | None, response: Response
) -> Accepted:
    """Ask for an execution; says in the answer's headers when the same was asked before."""
    answer = engine.ask(
        "POST",
        f"/api/execute/{config_id}",
        asker.tenant_id,
        body.model_dump(mode="json", exclude_unset=True),
        actor=asker.actor,
        idempotency_key=key,
        timeout=body.wait_seconds + _SLACK_SECONDS,
    )
    if answer.is_replayed:
        response.headers[REPLAYED] = "true"
    return _read(Accepted, answer.data)


def nudge(engine: EngineClient, asker: Principal, execution_id: str) -> None:
    """Tell the engine that something is due. The row is the truth: a call that is lost only costs its next look."""
    body = {"execution_ids": [execution_id]}
    with contextlib.suppress(ReportHubError):
        engine.call("POST", "/api/execute", asker.tenant_id, body, actor=asker.actor, timeout=5)


def _read(kind: type[T], data: Any) -> T:
    try:
        return TypeAdapter(kind).validate_python(data)
    except ValidationError as error:
        raise unreadable_answer() from error
