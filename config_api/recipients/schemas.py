"""Bodies and answers of recipients."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shared.web.body import Body, Id, Version


class RecipientBody(Body):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"delivery_id": 1, "name": "Finance", "address": "finance@example.com"}]}
    )

    delivery_id: Id
    name: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] = ""
    address: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=320)]
    kind: Literal["to", "cc", "bcc"] = "to"
    filter: dict[str, Any] = Field({}, description="Kept for bursting: which rows this recipient gets.")
    is_active: bool = True
    version: Version = None


class RecipientOut(BaseModel):
    id: int
    tenant_id: int
    version: int
    delivery_id: int
    name: str
    address: str
    kind: str
    filter: dict[str, Any]
    is_active: bool
    created_at: datetime
    updated_at: datetime
