"""Bodies and answers of schedules."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.moments import Moment
from shared.web.body import Body, Id, Name, Version


class ScheduleBody(Body):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "config_id": 1,
                    "name": "First of the month",
                    "cron_expression": "0 7 1 * *",
                    "timezone": "Europe/Berlin",
                    "formats": ["xlsx"],
                }
            ]
        }
    )

    config_id: Id
    name: Name
    cron_expression: str = Field(min_length=1, max_length=255, examples=["0 7 1 * *"])
    timezone: str = Field("UTC", min_length=1, max_length=64, description="IANA name.", examples=["Europe/Berlin"])
    parameters: dict[str, Any] = Field({}, description="Values by parameter name; others take their default.")
    formats: list[str] | None = Field(None, min_length=1, max_length=16, description="Instead of the report's.")
    delivery_ids: list[Id] | None = Field(None, max_length=100, description="Only these deliveries.")
    calendar_id: Id | None = None
    misfire_policy: Literal["fire_once", "fire_all", "skip"] = "fire_once"
    misfire_grace_seconds: int = Field(300, ge=0, le=2**31 - 1)
    overlap_policy: Literal["skip", "queue", "allow"] = "queue"
    jitter_seconds: int = Field(0, ge=0, le=3600)
    start_at: Moment | None = None
    end_at: Moment | None = None
    is_active: bool = True
    version: Version = None


class ScheduleOut(BaseModel):
    id: int
    tenant_id: int
    version: int
    config_id: int
    name: str
    cron_expression: str
    timezone: str
    parameters: dict[str, Any]
    formats: list[str] | None
    delivery_ids: list[int] | None
    calendar_id: int | None
    misfire_policy: str
    misfire_grace_seconds: int
    overlap_policy: str
    jitter_seconds: int
    start_at: datetime | None
    end_at: datetime | None
    is_active: bool
    last_run_at: datetime | None
    next_run_at: datetime | None
    run_count: int
    created_at: datetime
    updated_at: datetime


class SchedulePreviewBody(Body):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"cron_expression": "0 7 * * MON-FRI", "timezone": "Europe/Berlin", "count": 3}]
        }
    )

    cron_expression: str = Field(min_length=1, max_length=255, examples=["0 7 * * MON-FRI"])
    timezone: str = Field("UTC", min_length=1, max_length=64)
    count: int = Field(5, ge=1, le=100)
    start: Moment | None = Field(None, description="Look from here; default: now.")


class SchedulePreviewOut(BaseModel):
    """`next` are UTC times, `local` the same moments in the schedule's zone."""

    sentence: str
    next: list[datetime]
    local: list[str]
    warnings: list[str]


class ToggleBody(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"is_active": False}]})

    is_active: bool | None = Field(None, description="Default: the opposite of what it is.")
    version: Version = None
