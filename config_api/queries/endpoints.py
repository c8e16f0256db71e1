"""Questions about a query before it becomes a report."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from config_api.datasources.service import Datasources
from config_api.engine import ask
from config_api.queries.schemas import PreviewQueryBody, ValidateQueryBody
from shared.questions import PreviewOut, ValidateOut
from shared.services import EngineClient
from shared.web import Envelope, ServiceContext, success
from shared.web.app import Asker


def query_routes(context: ServiceContext, engine: EngineClient) -> APIRouter:
    router = APIRouter(prefix="/api", tags=["queries"])
    datasources = Datasources(context)

    @router.post("/validate-query", response_model=Envelope[ValidateOut], summary="Would this query run?")
    def validate(body: ValidateQueryBody, asker: Asker) -> dict[str, Any]:
        """A query that is refused is a good answer: `valid` is false, and why, with line and column."""
        asker.require("editor")
        datasources.get(asker, body.datasource_id)
        return success(ask(engine, asker, ValidateOut, "POST", "/api/validate-query", body))

    @router.post("/preview", response_model=Envelope[PreviewOut], summary="The first rows of a query")
    def preview(body: PreviewQueryBody, asker: Asker) -> dict[str, Any]:
        asker.require("editor")
        datasources.get(asker, body.datasource_id)
        return success(ask(engine, asker, PreviewOut, "POST", "/api/preview", body))

    return router
