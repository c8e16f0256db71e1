"""Routes of API keys; for admins."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from config_api.keys.service import KeyBody, KeyOut, Keys, NewKeyOut
from config_api.routes import RowId
from shared.web import Envelope, ListQuery, Page, ServiceContext, success
from shared.web.app import Asker


def key_routes(context: ServiceContext) -> APIRouter:
    router = APIRouter(prefix="/api/keys", tags=["administration"])
    keys = Keys(context)

    @router.get("", response_model=Envelope[Page[KeyOut]], summary="List API keys", name="list_keys")
    def list_keys(asker: Asker, listing: ListQuery) -> dict[str, Any]:
        asker.require("admin")
        return success(keys.page(asker, listing))

    @router.post("", status_code=201, response_model=Envelope[NewKeyOut], summary="Make an API key")
    def create_key(body: KeyBody, asker: Asker) -> dict[str, Any]:
        asker.require("admin")
        return success(keys.create(asker, body), "The key is shown only now.")

    @router.delete("/{id}", response_model=Envelope[KeyOut], summary="Revoke an API key")
    def revoke_key(row_id: RowId, asker: Asker) -> dict[str, Any]:
        asker.require("admin")
        return success(keys.revoke(asker, row_id), "The key is revoked.")

    return router
