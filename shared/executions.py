"""What services say to each other and to people about executions: requests, states, the whole story."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from shared.moments import Moment

FormatName = Annotated[str, Field(min_length=1, max_length=32)]


class ExecuteBody(BaseModel):
    """What may be said about one execution that is asked for."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)

    parameters: dict[str, Any] = Field({}, description="Values by parameter name; others take their default.")
    formats: list[FormatName] | None = Field(None, min_length=1, max_length=16, description="Instead of the report's.")
    deliver: bool = Field(True, description="False: make the files, deliver nothing.")
    delivery_ids: list[int] | None = Field(None, max_length=100, description="Only these deliveries.")
    scheduled_for: Moment | None = Field(
        None, description="Logical time that relative dates resolve against; default: now."
    )
    timezone: str | None = Field(None, max_length=64, description="Zone of relative dates; default: UTC.")
    schedule_id: Annotated[int, Field(ge=1, le=2**63 - 1)] | None = Field(
        None, description="The schedule on whose behalf it is asked for; the execution is then part of its history."
    )
    wait_seconds: float = Field(0, ge=0, le=60, description="Answer when it has ended, or after this long.")


class ExecuteRequest(ExecuteBody):
    """Body of `POST /api/execute`: one report, or executions that are queued already."""

    config_id: int | None = None
    execution_ids: list[Annotated[str, Field(max_length=36)]] | None = Field(None, max_length=10_000)


class Accepted(BaseModel):
    execution_id: str
    config_id: int
    status: str


class ExecutionError(BaseModel):
    code: str
    message: str
    hint: str | None = None
    retryable: bool = False
    line: int | None = None
    column: int | None = None


class Progress(BaseModel):
    stage: str
    rows: int = 0


class ArtifactOut(BaseModel):
    id: int
    format: str
    file_name: str
    media_type: str
    size: int
    sha256: str
    row_count: int
    rows_read_back: int | None
    expires_at: datetime
    is_deleted: bool


class AttemptOut(BaseModel):
    number: int
    started_at: datetime
    finished_at: datetime | None
    status: str
    message: str | None
    error_code: str | None = None


class DeliveryTaskOut(BaseModel):
    id: int
    delivery_id: int
    method: str
    recipient: str
    recipient_kind: str
    status: str
    message: str | None
    artifact_set: str
    next_attempt_at: datetime | None
    completed_at: datetime | None
    attempts: list[AttemptOut]


class ExecutionOut(BaseModel):
    """One execution, in lists. Times are UTC."""

    execution_id: str
    config_id: int
    report_name: str
    schedule_id: int | None
    trigger: str
    status: str
    delivery_status: str
    state: str
    scheduled_for: datetime
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    attempt: int
    row_count: int | None
    completeness: str | None
    error: ExecutionError | None


class ExecutionStory(ExecutionOut):
    """One execution with all that happened: what was sent, made and delivered."""

    config_version: int | None
    retry_of: str | None
    parameters: dict[str, Any]
    progress: Progress | None
    control_totals: dict[str, Any] | None
    warnings: list[str]
    query: str | None
    cancel_requested_at: datetime | None
    artifacts: list[ArtifactOut]
    deliveries: list[DeliveryTaskOut]


_DELIVERY_STATES = {"PENDING": "DELIVERING", "DELIVERING": "DELIVERING", "PARTIAL": "PARTIAL", "FAILED": "FAILED"}


def derive_state(status: str, delivery_status: str) -> str:
    """One word for people from the two facts (DESIGN: section 6)."""
    return _DELIVERY_STATES.get(delivery_status, "COMPLETED") if status == "COMPLETED" else status


def facts_of_state(state: str) -> tuple[str, tuple[str, ...] | None]:
    """The inverse, for filters: status, and the delivery statuses that give this state (None: any)."""
    if state == "COMPLETED":
        return "COMPLETED", ("NONE", "DELIVERED")
    if state in ("DELIVERING", "PARTIAL"):
        return "COMPLETED", ("PENDING", "DELIVERING") if state == "DELIVERING" else ("PARTIAL",)
    return state, None
