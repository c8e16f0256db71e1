"""What every service answers to those who run it: alive, ready, version, metrics."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from fastapi import APIRouter, Response
from prometheus_client import generate_latest
from pydantic import BaseModel

from shared import __version__
from shared.errors import FieldProblem, ReportHubError, ServiceUnavailable
from shared.web.context import ServiceContext
from shared.web.envelope import Envelope, success


class Alive(BaseModel):
    service: str


class Ready(BaseModel):
    service: str
    checks: list[str]


class Version(BaseModel):
    service: str
    version: str


def operation_routes(context: ServiceContext) -> APIRouter:
    router = APIRouter(tags=["operations"])

    @router.get("/health", response_model=Envelope[Alive], summary="The process is alive")
    async def health() -> dict[str, object]:
        return success(Alive(service=context.name), "alive")

    @router.get("/ready", response_model=Envelope[Ready], summary="All dependencies answer")
    def ready() -> dict[str, object]:
        """503 names every dependency that is down, with the reason as its detail."""
        problems = [
            FieldProblem(name, reason) for name, check in context.checks.items() if (reason := _reason(name, check))
        ]
        if context.stopping.is_set():
            problems.append(FieldProblem("service", "The service is stopping."))
        if problems:
            names = ", ".join(problem.field for problem in problems)
            raise ServiceUnavailable(f"Not ready: {names} down.", details=problems)
        return success(Ready(service=context.name, checks=[*context.checks]), "ready")

    @router.get("/version", response_model=Envelope[Version], summary="Version of this service")
    async def version() -> dict[str, object]:
        return success(Version(service=context.name, version=__version__))

    @router.get(
        "/metrics",
        summary="Prometheus metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus text"}},
    )
    def metrics() -> Response:
        return Response(generate_latest(context.metrics), media_type="text/plain; version=0.0.4")

    return router


def _reason(name: str, check: Callable[[], None]) -> str | None:
    """Why a dependency is down, without addresses or drivers' words; None when it answers."""
    try:
        check()
    except ReportHubError as error:
        structlog.get_logger().warning("not ready", check=name, exc_info=error)
        return error.message
    except Exception as error:  # noqa: BLE001 - whatever it is, the dependency is not ready
        structlog.get_logger().warning("not ready", check=name, exc_info=error)
        return f"The {name} does not answer."
    return None
