"""Puts the configuration API together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.responses import RedirectResponse

from config_api.audit.endpoints import audit_routes
from config_api.datasources.endpoints import datasource_routes
from config_api.dead_letters.endpoints import dead_letter_routes
from config_api.deliveries.endpoints import delivery_routes
from config_api.executions.endpoints import execution_routes
from config_api.keys.endpoints import key_routes
from config_api.plugin_list import plugin_routes
from config_api.queries.endpoints import query_routes
from config_api.recipients.endpoints import recipient_routes
from config_api.reports.endpoints import report_routes
from config_api.schedules.endpoints import schedule_routes
from shared.services import EngineClient
from shared.web import ServiceContext, create_app


def build_app(context: ServiceContext) -> FastAPI:
    """The configuration API's HTTP service."""
    engine = EngineClient(context.settings.engine_address, context.identity, context.name)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        engine.close()

    routers = [
        datasource_routes(context, engine),
        report_routes(context, engine),
        query_routes(context, engine),
        schedule_routes(context, engine),
        delivery_routes(context, engine),
        recipient_routes(context),
        execution_routes(context, engine),
        dead_letter_routes(context, engine),
        plugin_routes(),
        key_routes(context),
        audit_routes(context),
    ]
    app = create_app(context, "Report Hub configuration API", routers, lifespan)

    @app.get("/", include_in_schema=False)
    def home() -> RedirectResponse:
        return RedirectResponse("/docs")

    return app
