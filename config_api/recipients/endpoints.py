"""Routes of recipients."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import ColumnElement

from config_api.filters import contains
from config_api.recipients.service import Recipients
from config_api.routes import add_routes
from shared.db.models import Recipient
from shared.web import ServiceContext


def recipient_filters(
    delivery_id: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    address: Annotated[str | None, Query(max_length=320, description="Part of the address.")] = None,
    name: Annotated[str | None, Query(max_length=200, description="Part of the name.")] = None,
    is_active: bool | None = None,
) -> list[ColumnElement[bool]]:
    conditions = []
    if delivery_id is not None:
        conditions.append(Recipient.delivery_id == delivery_id)
    if address is not None:
        conditions.append(contains(Recipient.address, address))
    if name is not None:
        conditions.append(contains(Recipient.name, name))
    if is_active is not None:
        conditions.append(Recipient.is_active.is_(is_active))
    return conditions


def recipient_routes(context: ServiceContext) -> APIRouter:
    router = APIRouter(prefix="/api/recipients", tags=["recipients"])
    add_routes(router, Recipients(context), recipient_filters, change_example={"kind": "cc", "is_active": False})
    return router
