"""Renders every error in the one form, and repeats nothing that was submitted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy import exc
from starlette.exceptions import HTTPException

from shared.db.driver_errors import database_error
from shared.errors import (
    Conflict,
    FieldProblem,
    InvalidInput,
    MalformedRequest,
    ReportHubError,
    ServiceUnavailable,
    SourceRejected,
    TooManyRequests,
)
from shared.web.envelope import ErrorEnvelope

_CODES = {400: "MALFORMED_REQUEST", 404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "BODY_TOO_LARGE"}
_MESSAGES = {404: "There is nothing at this path.", 405: "This path has no such method."}
_STEP = 64
"""Characters of a key that an error's path shows."""

ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {
    code: {"model": ErrorEnvelope, "description": HTTPStatus(code).phrase}
    for code in (400, 401, 403, 404, 409, 412, 413, 415, 422, 429, 502, 503)
}
"""For the OpenAPI of every service: each refusal has the form of ErrorEnvelope."""


def error_response(request: Request, error: ReportHubError) -> JSONResponse:
    """The answer for an error of ours."""
    extra: dict[str, Any] = {}
    headers: dict[str, str] = dict(getattr(error, "headers", {}))
    if isinstance(error, SourceRejected) and error.line is not None:
        extra = {"line": error.line, "column": error.column}
    if isinstance(error, Conflict) and error.current_version is not None:
        extra = {"current_version": error.current_version}
    if isinstance(error, TooManyRequests):
        headers["Retry-After"] = str(math.ceil(error.retry_after.total_seconds()))
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return _response(request, error.status, error.code, error, headers, extra)


def unexpected_error(request: Request, error: Exception) -> JSONResponse:
    """The answer when something broke that has no class: the cause goes to the log, the request id to the caller."""
    structlog.get_logger().error("unexpected error", exc_info=error)
    hidden = ReportHubError(
        "Something went wrong on our side.", hint="Give this request id to the operator; the log has the cause."
    )
    return error_response(request, hidden)


def validation_error(errors: Sequence[Any], *, of_request: bool = False) -> InvalidInput:
    """Pydantic's findings as one InvalidInput: paths and reasons, no values.

    Args:
        of_request: the first step of each path says where it was: body, query, path or header.
    """
    problems = [FieldProblem(_path(item["loc"][of_request:]), _reason(item)) for item in errors]
    if any(item["type"] == "json_invalid" for item in errors):
        return MalformedRequest("The body is not valid JSON.")
    first = problems[0] if problems else FieldProblem("body", "is not valid")
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return InvalidInput(f"{first.field}: {first.message}{more}", details=problems)


def install_error_handlers(app: FastAPI) -> None:
    """All ways of failing end in the same envelope; what is left goes through `unexpected_error`."""

    @app.exception_handler(ReportHubError)
    async def _ours(request: Request, error: ReportHubError) -> JSONResponse:
        if error.status >= 500:
            structlog.get_logger().warning("request failed", error_code=error.code, error=error.message, exc_info=error)
        return error_response(request, error)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return error_response(request, validation_error(error.errors(), of_request=True))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        status = error.status_code
        wrapped = ReportHubError(_MESSAGES.get(status, HTTPStatus(status).phrase))
        code = _CODES.get(status, HTTPStatus(status).name)
        return _response(request, status, code, wrapped, dict(error.headers or {}), {})

    @app.exception_handler(exc.SQLAlchemyError)
    async def _database(request: Request, error: exc.SQLAlchemyError) -> JSONResponse:
        known = _of_database(error)
        if known is None:
            return unexpected_error(request, error)
        structlog.get_logger().warning("database said no", error_code=known.code, exc_info=error)
        return error_response(request, known)


def _of_database(error: exc.SQLAlchemyError) -> ReportHubError | None:
    if isinstance(error, exc.IntegrityError):
        return Conflict("Somebody else changed what this refers to at the same moment.", hint="Read it again.")
    if isinstance(error, exc.DataError):
        return InvalidInput("A value does not fit the column that keeps it.")
    if isinstance(error, exc.TimeoutError):
        return ServiceUnavailable("All connections to the Report Hub database are busy.", hint="Try again in a moment.")
    return database_error(error) if isinstance(error, exc.DBAPIError) else None


def _response(
    request: Request,
    status: int,
    code: str,
    error: ReportHubError,
    headers: Mapping[str, str],
    extra: Mapping[str, Any],
) -> JSONResponse:
    content = {
        "status": "error",
        "message": error.message,
        "error": code,
        "hint": error.hint,
        "details": [{"field": problem.field, "message": problem.message} for problem in error.details],
        "request_id": getattr(request.state, "request_id", ""),
        **extra,
    }
    return JSONResponse(content, status_code=status, headers=dict(headers))


def _path(location: Sequence[Any]) -> str:
    return ".".join(str(step)[:_STEP] for step in location) or "body"


def _reason(item: Any) -> str:
    return str(item["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
