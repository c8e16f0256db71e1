"""Bodies of questions about queries."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from shared.web.body import Body, Id

Query = Annotated[str, Field(max_length=200_000)]
Declared = Annotated[list[dict[str, Any]], Field(max_length=100)]


class ReportPreview(Body):
    """What the engine is asked for the preview of a report."""

    config_id: Id
    parameters: dict[str, Any] = Field({}, description="Values by parameter name.")
    limit: int | None = Field(None, ge=1, le=10_000)


class PreviewQueryBody(Body):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"datasource_id": 1, "query": "SELECT id, amount FROM orders WHERE amount > 100", "limit": 20}]
        }
    )

    datasource_id: Id
    query: Query | None = None
    query_spec: dict[str, Any] | None = None
    parameters: dict[str, Any] = Field({}, description="Values by parameter name.")
    parameter_specs: Declared = Field([], description="Declared parameters, as in a report.")
    timezone: str | None = Field(None, max_length=64)
    limit: int | None = Field(None, ge=1, le=10_000)


class ValidateQueryBody(Body):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "datasource_id": 1,
                    "query": "SELECT id, amount FROM orders WHERE month = :month",
                    "parameters": [{"name": "month", "type": "date", "default": "start_of_month-1"}],
                }
            ]
        }
    )

    datasource_id: Id
    query: Query | None = None
    query_spec: dict[str, Any] | None = None
    parameters: Declared | dict[str, Any] = Field([], description="Declared parameters, or values by name.")
