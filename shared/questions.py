"""What the engine answers to quick questions about datasources, queries and deliveries."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, RootModel


class ColumnOut(BaseModel):
    name: str
    type: str = Field(description="The datasource's own word.")
    is_nullable: bool = True
    is_primary_key: bool = False


class TableOut(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    name: str
    schema_name: str | None = Field(None, alias="schema")
    kind: str = Field(description="table, view …")
    columns: list[ColumnOut]
    row_estimate: int | None = None


class TableList(RootModel[list[TableOut]]):
    """Tables and views, sorted by schema and name."""


class SourceTestOut(BaseModel):
    server: str = Field(description="Product and version, in the server's words.", examples=["PostgreSQL 15.18"])
    seconds: float


class DeliveryTestOut(BaseModel):
    message: str = Field(description="The target's own words.", examples=["250 2.0.0 Ok: queued as 4F1C2"])
    recipient: str


class PreviewColumn(BaseModel):
    name: str
    type: str = Field(description="Arrow type.", examples=["decimal128(12, 2)"])


class PreviewOut(BaseModel):
    """The first rows. Values that JSON's readers would round (decimals, large integers, times) are texts."""

    columns: list[PreviewColumn]
    rows: list[list[Any]]
    truncated: bool = Field(description="There are more rows than these.")
    sql: str = Field(description="What was sent.")
    seconds: float


class ValidateOut(BaseModel):
    """`valid`, or why the query is refused, with line and column where they are known."""

    valid: bool
    columns: list[PreviewColumn]
    sql: str | None
    warnings: list[str]
    message: str | None = None
    hint: str | None = None
    line: int | None = None
    column: int | None = None
