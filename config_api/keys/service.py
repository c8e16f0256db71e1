"""API keys: made once, shown once, stored hashed, revoked for ever."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select

from config_api.changes import note_change
from shared.auth import Principal, hash_key, make_key
from shared.db.models import ApiKey
from shared.errors import FieldProblem, InvalidInput, NotFound
from shared.moments import Moment
from shared.web import Page, ServiceContext, ordered
from shared.web.body import Body, Name
from shared.web.listing import Listing


class KeyBody(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Nightly export", "role": "editor"}]})

    name: Name
    role: Literal["viewer", "editor", "admin"] = "viewer"
    expires_at: Moment | None = None


class KeyOut(BaseModel):
    id: int
    name: str
    prefix: str
    role: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class NewKeyOut(KeyOut):
    key: str = Field(description="The whole key; it is never shown again.")


class Keys:
    def __init__(self, context: ServiceContext) -> None:
        self._context = context

    def page(self, asker: Principal, listing: Listing) -> Page[KeyOut]:
        columns = {"id": ApiKey.id, "name": ApiKey.name, "created_at": ApiKey.created_at}
        with self._context.database.scoped(asker.tenant_id) as session:
            total = session.scalar(select(func.count()).select_from(ApiKey)) or 0
            rows = session.scalars(ordered(select(ApiKey), listing, columns)).all()
        items = [KeyOut.model_validate(row, from_attributes=True) for row in rows]
        return Page(items=items, total=total, limit=listing.limit, offset=listing.offset)

    def create(self, asker: Principal, body: KeyBody) -> NewKeyOut:
        key, prefix = make_key()
        now = self._context.clock.now()
        fields: dict[str, Any] = body.model_dump()
        if body.expires_at is not None and body.expires_at <= now:
            message = "must lie in the future"
            raise InvalidInput(f"expires_at {message}.", details=[FieldProblem("expires_at", message)])
        with self._context.database.scoped(asker.tenant_id, is_write=True) as session:
            row = ApiKey(prefix=prefix, secret_hash=hash_key(key), created_at=now, scopes=[], **fields)
            session.add(row)
            session.flush()
            shown = KeyOut.model_validate(row, from_attributes=True)
            note_change(session, asker, "created", "key", row.id, now=now, after=shown.model_dump(mode="json"))
        return NewKeyOut(**shown.model_dump(), key=key)

    def revoke(self, asker: Principal, key_id: int) -> KeyOut:
        now = self._context.clock.now()
        with self._context.database.scoped(asker.tenant_id, is_write=True) as session:
            row = session.scalar(select(ApiKey).where(ApiKey.id == key_id).with_for_update())
            if row is None:
                raise NotFound("There is no key with this id.")
            row.revoked_at = row.revoked_at or now
            note_change(session, asker, "revoked", "key", key_id, now=now)
            return KeyOut.model_validate(row, from_attributes=True)
