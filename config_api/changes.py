"""Notes every change of a definition in the audit log: who, what, before and after, secrets masked."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import structlog
from sqlalchemy.orm import Session

from shared.auth import Principal
from shared.db.models import AuditEntry


def note_change(
    session: Session,
    asker: Principal,
    action: str,
    object_type: str,
    object_id: object,
    *,
    now: datetime,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Add the audit entry to the transaction of the change: either both are kept or neither."""
    session.add(
        AuditEntry(
            tenant_id=asker.tenant_id,
            at=now,
            actor=asker.actor,
            action=f"{object_type}.{action}",
            object_type=object_type,
            object_id=str(object_id),
            before=before,
            after=after,
            request_id=structlog.contextvars.get_contextvars().get("request_id"),
        )
    )
