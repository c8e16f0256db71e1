"""Routes of datasources."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy import ColumnElement

from config_api.datasources.service import Datasources
from config_api.engine import ask
from config_api.filters import contains
from config_api.routes import RowId, add_routes
from shared.db.models import Datasource
from shared.questions import SourceTestOut, TableList
from shared.services import EngineClient
from shared.web import Envelope, ServiceContext, success
from shared.web.app import Asker


def datasource_filters(
    name: Annotated[str | None, Query(max_length=200, description="Part of the name.")] = None,
    type: Annotated[str | None, Query(max_length=64)] = None,  # noqa: A002 - the name in the query string
    is_active: bool | None = None,
) -> list[ColumnElement[bool]]:
    conditions = []
    if name is not None:
        conditions.append(contains(Datasource.name, name))
    if type is not None:
        conditions.append(Datasource.type == type)
    if is_active is not None:
        conditions.append(Datasource.is_active.is_(is_active))
    return conditions


def datasource_routes(context: ServiceContext, engine: EngineClient) -> APIRouter:
    router = APIRouter(prefix="/api/datasources", tags=["datasources"])
    datasources = Datasources(context)
    example = {"connection_config": {"host": "db2.example.com", "password": "env:REPORT_HUB_SECRET_WAREHOUSE"}}
    add_routes(router, datasources, datasource_filters, change_example=example)

    @router.get("/{id}/tables", response_model=Envelope[TableList], summary="Tables and columns")
    def tables(row_id: RowId, asker: Asker) -> dict[str, Any]:
        datasources.get(asker, row_id)
        return success(ask(engine, asker, TableList, "GET", f"/api/datasource-tables/{row_id}"))

    @router.post("/{id}/test", response_model=Envelope[SourceTestOut], summary="Connect, log in, read something")
    def test(row_id: RowId, asker: Asker) -> dict[str, Any]:
        asker.require("editor")
        datasources.get(asker, row_id)
        answer = ask(engine, asker, SourceTestOut, "POST", f"/api/test-datasource/{row_id}")
        return success(answer, "The datasource answers.")

    return router
