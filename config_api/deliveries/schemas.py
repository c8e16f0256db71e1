"""Bodies and answers of deliveries."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.web.body import Body, Id, Name, Version


class DeliveryBody(Body):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "config_id": 1,
                    "name": "To finance",
                    "method": "email",
                    "delivery_config": {"host": "mail.example.com", "from_address": "reports@example.com"},
                    "condition": "has_rows",
                }
            ]
        }
    )

    config_id: Id
    name: Name
    method: str = Field(max_length=64, description="A deliverer: see GET /api/plugins.")
    delivery_config: dict[str, Any] = Field({}, description="The deliverer's own configuration.")
    condition: Literal["always", "has_rows", "no_rows", "changed"] = "always"
    max_retry: int = Field(3, ge=0, le=100)
    retry_interval_minutes: int = Field(5, ge=0, le=1440)
    on_unknown: Literal["resend", "ask"] = Field(
        "resend", description="When it cannot be known whether a message arrived: send again, or let a person decide."
    )
    is_active: bool = True
    version: Version = None


class DeliveryOut(BaseModel):
    id: int
    tenant_id: int
    version: int
    config_id: int
    name: str
    method: str
    delivery_config: dict[str, Any]
    condition: str
    max_retry: int
    retry_interval_minutes: int
    on_unknown: str
    is_active: bool
    created_at: datetime
    updated_at: datetime
