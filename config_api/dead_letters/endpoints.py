"""Routes of dead letters."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import ConfigDict, Field
from sqlalchemy import ColumnElement

from config_api.dead_letters.service import DeadLetterOut, DeadLetters, Replayed
from config_api.routes import RowId
from shared.db.models import DeliveryTask
from shared.services import EngineClient
from shared.web import Envelope, ListQuery, Page, ServiceContext, success
from shared.web.app import Asker
from shared.web.body import Body, Id


class ReplayBody(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"ids": [17, 18]}]})

    ids: list[Id] | None = Field(None, max_length=1000, description="Default: all.")


def dead_letter_filters(
    delivery_id: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    execution_id: Annotated[str | None, Query(max_length=36)] = None,
    method: Annotated[str | None, Query(max_length=64)] = None,
) -> list[ColumnElement[bool]]:
    equal = {
        DeliveryTask.delivery_id: delivery_id,
        DeliveryTask.execution_id: execution_id,
        DeliveryTask.method: method,
    }
    return [column == value for column, value in equal.items() if value is not None]


def dead_letter_routes(context: ServiceContext, engine: EngineClient) -> APIRouter:
    router = APIRouter(prefix="/api/dead-letters", tags=["dead letters"])
    dead_letters = DeadLetters(context, engine)

    @router.get("", response_model=Envelope[Page[DeadLetterOut]], summary="What did not arrive, and why", name="list")
    def list_dead_letters(
        asker: Asker, listing: ListQuery, conditions: Annotated[list[Any], Depends(dead_letter_filters)]
    ) -> dict[str, Any]:
        return success(dead_letters.page(asker, listing, conditions))

    @router.post("/replay", status_code=202, response_model=Envelope[Replayed], summary="Try several or all again")
    def replay_many(asker: Asker, body: ReplayBody | None = None) -> dict[str, Any]:
        asker.require("editor")
        replayed = dead_letters.replay(asker, (body or ReplayBody()).ids)
        return success(replayed, f"{len(replayed.ids)} deliveries are tried again.")

    @router.post("/{id}/replay", status_code=202, response_model=Envelope[Replayed], summary="Try one again")
    def replay(row_id: RowId, asker: Asker) -> dict[str, Any]:
        asker.require("editor")
        return success(dead_letters.replay(asker, [row_id]), "The delivery is tried again.")

    return router
