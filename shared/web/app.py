"""Makes a service: FastAPI with our envelope, request ids, access rules, health and metrics."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from types import FrameType
from typing import Any

import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.routing import APIRoute

from shared import __version__
from shared.errors import FieldProblem, InvalidInput
from shared.web.context import Asker, ServiceContext, current_principal
from shared.web.errors import ERROR_RESPONSES, install_error_handlers
from shared.web.middleware import HttpMetrics, RequestMiddleware
from shared.web.operations import operation_routes

__all__ = ["Asker", "Lifespan", "ServiceContext", "create_app", "current_principal", "serve"]

_ANSWER_SECONDS = 5
"""How long answers that are under way may take after SIGTERM; executions have their own grace."""
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


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
    )
    app.state.context = context
    install_error_handlers(app)
    app.add_middleware(RequestMiddleware, context=context, metrics=HttpMetrics(context.metrics))
    for router in routers:
        app.include_router(router)
    app.include_router(operation_routes(context))
    return app


def serve(app: FastAPI, context: ServiceContext, port: int) -> None:
    """Run the service until SIGTERM or SIGINT; the exit status is then 0."""
    # uvicorn raises the signal again when it has stopped; by default that would be the process's exit status.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    config = uvicorn.Config(
        app,
        host=context.settings.host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=min(_ANSWER_SECONDS, int(context.settings.shutdown_grace.total_seconds())),
    )
    try:
        _Server(config, context).run()
    except KeyboardInterrupt:
        sys.exit(0)


class _Server(uvicorn.Server):
    """Tells the service at once that it is to stop; uvicorn does so only after the last answer."""

    def __init__(self, config: uvicorn.Config, context: ServiceContext) -> None:
        super().__init__(config)
        self._context = context

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._context.stopping.set()
        super().handle_exit(sig, frame)


def _operation_id(route: APIRoute) -> str:
    tag = str(route.tags[0]).replace(" ", "_") if route.tags else "service"
    return f"{tag}_{route.name}"


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
