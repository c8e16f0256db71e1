"""The audit log; for admins."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel
from sqlalchemy import ColumnElement, func, select

from shared.db.models import AuditEntry
from shared.moments import Moment
from shared.web import Envelope, ListQuery, Page, ServiceContext, ordered, success
from shared.web.app import Asker


class AuditEntryOut(BaseModel):
    id: int
    at: datetime
    actor: str
    action: str
    object_type: str
    object_id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    request_id: str | None


def audit_routes(context: ServiceContext) -> APIRouter:
    router = APIRouter(prefix="/api/audit", tags=["administration"])

    @router.get("", response_model=Envelope[Page[AuditEntryOut]], summary="Who did what, newest first")
    def list_entries(
        asker: Asker,
        listing: ListQuery,
        object_type: Annotated[str | None, Query(max_length=32)] = None,
        object_id: Annotated[str | None, Query(max_length=64)] = None,
        actor: Annotated[str | None, Query(max_length=200)] = None,
        action: Annotated[str | None, Query(max_length=64, examples=["report.changed"])] = None,
        since: Annotated[Moment | None, Query(description="At or after (ISO 8601 with offset).")] = None,
        until: Annotated[Moment | None, Query(description="Before.")] = None,
    ) -> dict[str, Any]:
        asker.require("admin")
        equal = {
            AuditEntry.object_type: object_type,
            AuditEntry.object_id: object_id,
            AuditEntry.actor: actor,
            AuditEntry.action: action,
        }
        where: list[ColumnElement[bool]] = [column == value for column, value in equal.items() if value is not None]
        if since is not None:
            where.append(AuditEntry.at >= since)
        if until is not None:
            where.append(AuditEntry.at < until)
        newest_first = listing if listing.sort_by else listing.model_copy(update={"sort_order": "desc"})
        columns = {"id": AuditEntry.id, "at": AuditEntry.at}
        with context.database.scoped(asker.tenant_id) as session:
            total = session.scalar(select(func.count()).select_from(AuditEntry).where(*where)) or 0
            rows = session.scalars(ordered(select(AuditEntry).where(*where), newest_first, columns)).all()
        items = [AuditEntryOut.model_validate(row, from_attributes=True) for row in rows]
        return success(Page(items=items, total=total, limit=listing.limit, offset=listing.offset))

    return router
