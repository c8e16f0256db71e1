"""Which executions a list shows."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Query
from sqlalchemy import ColumnElement

from config_api.filters import contains
from shared.db.executions import state_filter
from shared.db.models import Execution
from shared.moments import Moment

State = Literal["QUEUED", "RUNNING", "DELIVERING", "COMPLETED", "PARTIAL", "FAILED", "CANCELLED", "SKIPPED", "HELD"]


def history_filters(
    schedule_id: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    state: State | None = None,
    status: Literal["QUEUED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "SKIPPED", "HELD"] | None = None,
    delivery_status: Literal["NONE", "PENDING", "DELIVERING", "DELIVERED", "PARTIAL", "FAILED"] | None = None,
    trigger: Literal["manual", "schedule", "record", "backfill", "retry"] | None = None,
    since: Annotated[Moment | None, Query(description="Created at or after (ISO 8601 with offset).")] = None,
    until: Annotated[Moment | None, Query(description="Created before.")] = None,
) -> list[ColumnElement[bool]]:
    equal = {
        Execution.schedule_id: schedule_id,
        Execution.status: status,
        Execution.delivery_status: delivery_status,
        Execution.trigger: trigger,
    }
    conditions: list[ColumnElement[bool]] = [column == value for column, value in equal.items() if value is not None]
    if state is not None:
        conditions.append(state_filter(state))
    if since is not None:
        conditions.append(Execution.created_at >= since)
    if until is not None:
        conditions.append(Execution.created_at < until)
    return conditions


def report_filters(
    config_id: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    report: Annotated[str | None, Query(max_length=200, description="Part of the report's name.")] = None,
) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if config_id is not None:
        conditions.append(Execution.config_id == config_id)
    if report is not None:
        conditions.append(contains(Execution.report_name, report))
    return conditions
