"""Routes of deliveries."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import ConfigDict, Field
from sqlalchemy import ColumnElement

from config_api.deliveries.service import Deliveries
from config_api.engine import ask
from config_api.filters import contains
from config_api.routes import RowId, add_routes
from shared.db.models import Delivery
from shared.questions import DeliveryTestOut
from shared.services import EngineClient
from shared.web import Envelope, ServiceContext, success
from shared.web.app import Asker
from shared.web.body import Body


class TestBody(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"recipient": "me@example.com"}]})

    recipient: str | None = Field(None, max_length=320, description="Instead of the delivery's first recipient.")


def delivery_filters(
    name: Annotated[str | None, Query(max_length=200, description="Part of the name.")] = None,
    config_id: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    method: Annotated[str | None, Query(max_length=64)] = None,
    is_active: bool | None = None,
) -> list[ColumnElement[bool]]:
    conditions = []
    if name is not None:
        conditions.append(contains(Delivery.name, name))
    if config_id is not None:
        conditions.append(Delivery.config_id == config_id)
    if method is not None:
        conditions.append(Delivery.method == method)
    if is_active is not None:
        conditions.append(Delivery.is_active.is_(is_active))
    return conditions


def delivery_routes(context: ServiceContext, engine: EngineClient) -> APIRouter:
    router = APIRouter(prefix="/api/deliveries", tags=["deliveries"])
    deliveries = Deliveries(context)
    add_routes(router, deliveries, delivery_filters, change_example={"condition": "has_rows", "max_retry": 5})

    @router.post("/{id}/test", response_model=Envelope[DeliveryTestOut], summary="Send a marked test")
    def test(row_id: RowId, asker: Asker, body: TestBody | None = None) -> dict[str, Any]:
        asker.require("editor")
        deliveries.get(asker, row_id)
        answer = ask(engine, asker, DeliveryTestOut, "POST", f"/api/test-delivery/{row_id}", body or TestBody())
        return success(answer, "The test arrived.")

    return router
