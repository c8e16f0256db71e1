"""What the engine is asked about datasources, queries and deliveries; the answers are in shared.questions."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)


class PreviewBody(_Body):
    """A report, or a query on a datasource."""

    config_id: int | None = None
    datasource_id: int | None = None
    query: str | None = Field(None, max_length=200_000)
    query_spec: dict[str, Any] | None = None
    parameters: dict[str, Any] = {}
    parameter_specs: list[dict[str, Any]] = Field([], max_length=100)
    timezone: str | None = None
    limit: int | None = Field(None, ge=1, le=10_000)


class ValidateBody(_Body):
    datasource_id: int
    query: str | None = Field(None, max_length=200_000)
    query_spec: dict[str, Any] | None = None
    parameters: list[dict[str, Any]] | dict[str, Any] = Field([], description="Declared parameters, or values by name.")


class DeliveryTestBody(_Body):
    recipient: str | None = Field(None, max_length=320, description="Instead of the delivery's first recipient.")
