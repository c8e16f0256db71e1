"""Puts the scheduler together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from scheduler.endpoints import scheduler_routes
from scheduler.runner import TickRunner
from shared.errors import ServiceUnavailable
from shared.web import ServiceContext, create_app


def build_app(context: ServiceContext) -> FastAPI:
    """The scheduler's HTTP service; its tick starts and stops with it."""
    runner = TickRunner(context)

    def check_tick() -> None:
        if not runner.is_running:
            raise ServiceUnavailable("The tick is not running.")

    context.checks["tick"] = check_tick

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(runner.start)
        yield
        await run_in_threadpool(runner.stop)

    return create_app(context, "Report Hub scheduler", [scheduler_routes(context, runner)], lifespan)
