"""Makes a service: FastAPI with our envelope, request ids, access rules, health and metrics."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import urlsplit

import structlog
import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from starlette.concurrency import run_in_threadpool

from shared import __version__
from shared.auth import Authenticator, Principal, ServiceIdentity
from shared.clock import Clock
from shared.db.clock import DatabaseClock
from shared.db.database import Database
from shared.db.migrate import check_schema
from shared.errors import FieldProblem, InvalidInput, NotAllowed, ReportHubError, ServiceUnavailable
from shared.ids import request_id_from
from shared.settings import Settings
from shared.vault import Vault, open_vault
from shared.web.body import check_body
from shared.web.errors import ERROR_RESPONSES, error_response, install_error_handlers

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
_LOOPBACK_HOSTS = {"localhost", "127.0.0.1", "::1", "testserver"}


@dataclass
class ServiceContext:
    """What a service has at hand: settings, database, clock, vault, who is asking, and its own metrics.

    `checks` are the dependencies that `GET /ready` asks, by name; each raises ServiceUnavailable when it is down.
    """

    name: str
    settings: Settings
    database: Database
    clock: Clock
    vault: Vault
    authenticator: Authenticator
    identity: ServiceIdentity
    metrics: CollectorRegistry = field(default_factory=CollectorRegistry)
    checks: dict[str, Callable[[], None]] = field(default_factory=dict)

    @classmethod
    def open(cls, name: str, settings: Settings, clock: Clock | None = None) -> ServiceContext:
        """Open database and vault as the settings say."""
        database = Database(settings.database)
        clock = clock or DatabaseClock(database)
        vault = open_vault(settings)
        identity = ServiceIdentity(vault.service_key)
        authenticator = Authenticator(settings, database, identity, clock)
        context = cls(name, settings, database, clock, vault, authenticator, identity)
        context.checks["database"] = lambda: check_schema(database)
        return context


def current_principal(request: Request) -> Principal:
    """Dependency: who is asking; set by the middleware for every route below /api."""
    principal: Principal = request.state.principal
    return principal


Asker = Annotated[Principal, Depends(current_principal)]


def create_app(
    context: ServiceContext, title: str, routers: Sequence[APIRouter], lifespan: Lifespan | None = None
) -> FastAPI:
    """The service with its routers. Operation ids are `<tag>_<function>`; everything below /api needs a principal."""
    app = FastAPI(
        title=title,
        version=__version__,
        lifespan=lifespan,
        responses=ERROR_RESPONSES,
        dependencies=[Depends(_known_query_only)],
        generate_unique_id_function=_operation_id,
        max_body_size=context.settings.max_body_bytes,
    )
    app.state.context = context
    install_error_handlers(app)
    _install_middleware(app, context)
    for router in routers:
        app.include_router(router)
    app.include_router(_operations(context))
    return app


def serve(app: FastAPI, context: ServiceContext, port: int) -> None:
    """Run the service until SIGTERM or SIGINT."""
    uvicorn.run(
        app,
        host=context.settings.host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(context.settings.shutdown_grace.total_seconds()),
    )


def _operation_id(route: APIRoute) -> str:
    return f"{route.tags[0] if route.tags else 'service'}_{route.name}"


def _install_middleware(app: FastAPI, context: ServiceContext) -> None:
    requests = Counter(
        "report_hub_http_requests_total", "Requests answered", ["method", "route", "status"], registry=context.metrics
    )
    seconds = Histogram(
        "report_hub_http_request_seconds", "Time to answer", ["method", "route"], registry=context.metrics
    )
    log = structlog.get_logger()

    @app.middleware("http")
    async def _around(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        request.state.request_id = request_id_from(request.headers.get("x-request-id"))
        structlog.contextvars.bind_contextvars(request_id=request.state.request_id)
        started = time.perf_counter()
        try:
            response = await _answer(request, call_next, context)
        finally:
            structlog.contextvars.unbind_contextvars("request_id")
        route = getattr(request.scope.get("route"), "path", "unknown")
        took = time.perf_counter() - started
        requests.labels(request.method, route, response.status_code).inc()
        seconds.labels(request.method, route).observe(took)
        log.debug("request", method=request.method, path=request.url.path, status=response.status_code, seconds=took)
        response.headers["X-Request-ID"] = request.state.request_id
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


async def _answer(
    request: Request, call_next: Callable[[Request], Awaitable[Response]], context: ServiceContext
) -> Response:
    try:
        _check_origin(request, context.settings)
        if request.url.path.startswith("/api"):
            request.state.principal = await run_in_threadpool(context.authenticator.authenticate, request.headers)
            await check_body(request)
    except ReportHubError as error:
        return error_response(request, error)
    return await call_next(request)


def _known_query_only(request: Request) -> None:
    """Dependency of every route: a misspelt query parameter is an error, not a filter that silently does nothing."""
    route = request.scope.get("route")
    if not isinstance(route, APIRoute):
        return
    known = _query_names(route.dependant)
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        message = f"There is no such query parameter; known: {', '.join(sorted(known)) or 'none'}."
        raise InvalidInput(message, details=[FieldProblem(name[:64], message) for name in unknown[:10]])


def _query_names(dependant: Any) -> set[str]:
    names = {field.alias for field in dependant.query_params}
    return names.union(*(_query_names(child) for child in dependant.dependencies))


def _check_origin(request: Request, settings: Settings) -> None:
    """Without credentials only loopback may ask, and no web page of another origin may make a browser ask for it."""
    if not settings.is_open:
        return
    known = _LOOPBACK_HOSTS | set(settings.allowed_hosts)
    host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    origin = request.headers.get("origin")
    if host not in known:
        raise NotAllowed("This host name is not answered without credentials.", hint="Use 127.0.0.1 or localhost.")
    if origin is not None and (urlsplit(origin).hostname or "") not in known:
        raise NotAllowed("Pages of another origin may not ask without credentials.")
    client = request.client.host if request.client else "127.0.0.1"
    if client != "testclient" and not ipaddress.ip_address(client.partition("%")[0]).is_loopback:
        raise NotAllowed("Without credentials only this machine may ask.")


def _operations(context: ServiceContext) -> APIRouter:
    router = APIRouter(tags=["operations"])

    @router.get("/health", summary="The process is alive")
    async def health() -> dict[str, Any]:
        return {"status": "success", "message": "alive", "data": {"service": context.name}}

    @router.get("/ready", summary="All dependencies answer", responses=ERROR_RESPONSES)
    def ready() -> dict[str, Any]:
        down = [name for name, check in context.checks.items() if not _passes(check)]
        if down:
            raise ServiceUnavailable(f"Not ready: {', '.join(down)} is down.")
        return {"status": "success", "message": "ready", "data": {"service": context.name, "checks": [*context.checks]}}

    @router.get("/version", summary="Version of this service")
    async def version() -> dict[str, Any]:
        return {"status": "success", "message": "", "data": {"service": context.name, "version": __version__}}

    @router.get("/metrics", summary="Prometheus metrics", response_class=Response)
    def metrics() -> Response:
        return Response(generate_latest(context.metrics), media_type="text/plain; version=0.0.4")

    return router


def _passes(check: Callable[[], None]) -> bool:
    try:
        check()
    except Exception as error:  # noqa: BLE001 - whatever it is, the dependency is not ready
        structlog.get_logger().warning("not ready", exc_info=error)
        return False
    return True
