"""Bodies and answers of datasources."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from shared.web.body import Body, Name, Text, Version


class DatasourceBody(Body):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "Warehouse",
                    "type": "postgresql",
                    "connection_config": {
                        "host": "db.example.com",
                        "database": "sales",
                        "username": "reports",
                        "password": "env:REPORT_HUB_SECRET_WAREHOUSE",
                    },
                }
            ]
        }
    )

    name: Name
    type: str = Field(max_length=64, description="A connector: see GET /api/plugins.")
    connection_config: dict[str, Any] = Field({}, description="The connector's own configuration.")
    description: Text = ""
    is_active: bool = True
    version: Version = None


class DatasourceOut(BaseModel):
    id: int
    tenant_id: int
    version: int
    name: str
    type: str
    connection_config: dict[str, Any]
    description: str
    is_active: bool
    created_at: datetime
    updated_at: datetime
