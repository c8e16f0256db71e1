"""Bodies and answers of reports."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shared.web.body import Body, Id, Name, Text, Version

DEFAULT_FILE_NAME = "{report}_{date}"
Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]


class ReportBody(Body):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "Orders of a month",
                    "datasource_id": 1,
                    "query": "SELECT id, customer, amount FROM orders WHERE month = :month",
                    "parameters": [{"name": "month", "type": "date", "default": "start_of_month-1"}],
                    "formats": ["csv", "xlsx"],
                    "format_options": {"csv": {"delimiter": ";"}},
                    "file_name_template": "orders_{param.month:%Y-%m}",
                    "tags": ["finance"],
                }
            ]
        }
    )

    name: Name
    description: Text = ""
    datasource_id: Id
    query: str | None = Field(None, max_length=200_000, description="One read-only statement; parameters as :name.")
    query_spec: dict[str, Any] | None = Field(None, description="Instead of a query: what the visual builder makes.")
    parameters: list[dict[str, Any]] = Field([], max_length=100)
    formats: list[str] = Field(["csv"], min_length=1, max_length=16)
    format_options: dict[str, dict[str, Any]] = Field({}, description="Options by format.")
    chart: dict[str, Any] | None = Field(None, description="A Vega-Lite chart.")
    file_name_template: str = Field(DEFAULT_FILE_NAME, min_length=1, max_length=255)
    row_limit: int | None = Field(None, ge=1, le=2**31 - 1)
    on_cap: Literal["fail", "label"] = Field("fail", description="More rows than row_limit: fail, or cut and say so.")
    timeout_seconds: int | None = Field(None, ge=1, le=2**31 - 1)
    tags: list[Tag] = Field([], max_length=50)
    is_active: bool = True
    version: Version = None


class ReportOut(BaseModel):
    id: int
    tenant_id: int
    version: int
    name: str
    description: str
    datasource_id: int
    query: str | None
    query_spec: dict[str, Any] | None
    parameters: list[dict[str, Any]]
    formats: list[str]
    format_options: dict[str, dict[str, Any]]
    chart: dict[str, Any] | None
    file_name_template: str
    row_limit: int | None
    on_cap: str
    timeout_seconds: int | None
    tags: list[str]
    is_active: bool
    created_at: datetime
    updated_at: datetime
