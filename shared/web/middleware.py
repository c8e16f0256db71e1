"""Around every request: id, origin, credentials, body, metrics, and our envelope even for what nobody foresaw."""

from __future__ import annotations

import time
from typing import Any

import structlog
from fastapi import Request
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.errors import MalformedRequest, ReportHubError
from shared.ids import request_id_from
from shared.web.body import check_body, read_body
from shared.web.context import ServiceContext
from shared.web.errors import error_response, unexpected_error
from shared.web.origin import check_origin

_WITH_BODY = ("POST", "PUT", "PATCH")
_CLIENT_LEFT = 499


class HttpMetrics:
    """What every service counts about its answers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["method", "route"]
        self._requests = Counter(
            "report_hub_http_requests_total", "Requests answered", [*labels, "status"], registry=registry
        )
        self._seconds = Histogram("report_hub_http_request_seconds", "Time to answer", labels, registry=registry)

    def note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unknown")
        self._requests.labels(scope["method"], route, status).inc()
        self._seconds.labels(scope["method"], route).observe(seconds)


class RequestMiddleware:
    """Pure ASGI, so that downloads and events pass through without another buffer."""

    def __init__(self, app: ASGIApp, context: ServiceContext, metrics: HttpMetrics) -> None:
        self._app = app
        self._context = context
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        request_id = request.state.request_id = request_id_from(request.headers.get("x-request-id"))
        answer = _Answer(send, request_id)
        started = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self._answer(request, answer)
            took = time.perf_counter() - started
            self._metrics.note(scope, answer.status, took)
            structlog.get_logger().debug(
                "request", method=request.method, path=scope["path"], status=answer.status, seconds=round(took, 4)
            )

    async def _answer(self, request: Request, answer: _Answer) -> None:
        try:
            receive = await self._admit(request)
            await self._app(request.scope, receive, answer)
        except ReportHubError as error:
            await error_response(request, error)(request.scope, request.receive, answer)
        except ClientDisconnect:
            return
        except Exception as error:
            response = unexpected_error(request, error)
            if answer.status != _CLIENT_LEFT:  # too late for another answer: the connection breaks, and so it should
                raise
            await response(request.scope, request.receive, answer)

    async def _admit(self, request: Request) -> Receive:
        """Check the request before any route sees it; returns what gives its body to the route."""
        check_origin(request, self._context.settings)
        if b"%00" in request.scope["query_string"] or "\x00" in request.scope["path"]:
            raise MalformedRequest("The address has a NUL, which nothing here can have in its name.")
        # The path of the scope: the one of `request.url` can be bent with a strange Host header.
        if not request.scope["path"].startswith("/api"):
            return request.receive
        authenticate = self._context.authenticator.authenticate
        request.state.principal = await run_in_threadpool(authenticate, request.headers)
        if request.method not in _WITH_BODY:
            return request.receive
        body = await read_body(request, self._context.settings.max_body_bytes)
        check_body(request.headers.get("content-type"), body)
        return _replay(body, request.receive)


class _Answer:
    """Sends the answer on, with our headers, and remembers its status."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status = _CLIENT_LEFT

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self._request_id
            headers["X-Content-Type-Options"] = "nosniff"
        await self._send(message)


def _replay(body: bytes, receive: Receive) -> Receive:
    waiting: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

    async def give() -> Message:
        return waiting.pop() if waiting else await receive()

    return give
