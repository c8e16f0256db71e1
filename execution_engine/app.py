"""Puts the execution engine together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from execution_engine.endpoints import execution_routes, question_routes
from execution_engine.engine import Engine
from shared.web import ServiceContext, create_app


def build_app(context: ServiceContext) -> FastAPI:
    """The engine's HTTP service; its background work starts and stops with it."""
    engine = Engine(context)
    context.checks["artifact store"] = engine.store.check

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        engine.start()
        yield
        await run_in_threadpool(engine.stop)

    routers = [execution_routes(context, engine), question_routes(context, engine)]
    app = create_app(context, "Report Hub execution engine", routers, lifespan)
    app.state.engine = engine
    return app
