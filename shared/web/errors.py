"""Renders every error in the one form, and repeats nothing that was submitted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from shared.errors import (
    Conflict,
    FieldProblem,
    InvalidInput,
    MalformedRequest,
    ReportHubError,
    SourceRejected,
    TooManyRequests,
)
from shared.web.envelope import ErrorEnvelope

_CODES = {400: "MALFORMED_REQUEST", 404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "BODY_TOO_LARGE"}

ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {
    code: {"model": ErrorEnvelope, "description": HTTPStatus(code).phrase}
    for code in (400, 401, 403, 404, 409, 413, 415, 422, 429, 502, 503)
}
"""For the OpenAPI of every service: each refusal has the form of ErrorEnvelope."""


def error_response(request: Request, error: ReportHubError, headers: dict[str, str] | None = None) -> JSONResponse:
    """The answer for an error of ours."""
    content: dict[str, Any] = {
        "status": "error",
        "message": error.message,
        "error": error.code,
        "hint": error.hint,
        "details": [{"field": problem.field, "message": problem.message} for problem in error.details],
        "request_id": getattr(request.state, "request_id", ""),
    }
    if isinstance(error, SourceRejected) and error.line is not None:
        content |= {"line": error.line, "column": error.column}
    if isinstance(error, Conflict) and error.current_version is not None:
        content["current_version"] = error.current_version
    headers = dict(headers or {})
    if isinstance(error, TooManyRequests):
        headers["Retry-After"] = str(math.ceil(error.retry_after.total_seconds()))
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(content, status_code=error.status, headers=headers)


def validation_error(errors: Sequence[Any]) -> InvalidInput:
    """Pydantic's findings as one InvalidInput: paths and reasons, no values."""
    problems = [FieldProblem(_path(item["loc"]), _reason(item)) for item in errors]
    if any(item["type"] == "json_invalid" for item in errors):
        return MalformedRequest("The body is not valid JSON.", details=problems)
    first = problems[0] if problems else FieldProblem("body", "is not valid")
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return InvalidInput(f"{first.field}: {first.message}{more}", details=problems)


def install_error_handlers(app: FastAPI) -> None:
    """All ways of failing end in the same envelope."""

    @app.exception_handler(ReportHubError)
    async def _ours(request: Request, error: ReportHubError) -> JSONResponse:
        if error.status >= 500:
            structlog.get_logger().warning("request failed", error_code=error.code, error=error.message, exc_info=error)
        return error_response(request, error)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return error_response(request, validation_error(error.errors()))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        status = error.status_code
        wrapped = ReportHubError(str(error.detail) if status < 500 else HTTPStatus(status).phrase)
        response = error_response(request, wrapped, dict(error.headers or {}))
        content = {**_body(response), "error": _CODES.get(status, HTTPStatus(status).name)}
        return JSONResponse(content, status_code=status, headers=dict(error.headers or {}))

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, error: Exception) -> JSONResponse:
        structlog.get_logger().error("unexpected error", exc_info=error)
        hidden = ReportHubError(
            "Something went wrong on our side.", hint="Give this request id to the operator; the log has the cause."
        )
        return error_response(request, hidden)


def _body(response: JSONResponse) -> dict[str, Any]:
    import json

    content: dict[str, Any] = json.loads(bytes(response.body))
    return content


def _path(location: Sequence[Any]) -> str:
    steps = [str(step) for step in location if step not in ("body", "query", "path", "header")]
    return ".".join(steps) or "body"


def _reason(item: Any) -> str:
    return str(item["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
