"""What happened: executions and their artifacts. An execution is also its own place in the queue."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.models.base import TABLE_OPTIONS, Base, BigId, TenantOwned
from shared.db.types import Json, LongText, UtcDateTime


class Leased:
    """A row that one worker at a time holds. Every write names the holder's `fence`; an older fence writes nothing."""

    attempt: Mapped[int] = mapped_column(Integer, default=0)
    fence: Mapped[int] = mapped_column(Integer, default=0)
    lease_owner: Mapped[str | None] = mapped_column(String(128))
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Execution(Leased, TenantOwned, Base):
    """History outlives configuration: no foreign keys, and the report's name is kept.

    Attributes:
        scheduled_for: the logical time.
        request: what was asked for: formats, deliver, delivery_ids, timezone.
        parameters: as given before the start, as resolved (JSON form) after it.
        available_at: not to be started before this.
        control_totals: rows read, written and read back, and per-column sums.
    """

    __tablename__ = "report_executions"
    __table_args__ = (
        UniqueConstraint("schedule_id", "scheduled_for"),
        UniqueConstraint("tenant_id", "idempotency_key"),
        Index("ix_report_executions_queue", "status", "available_at", "id"),
        Index("ix_report_executions_history", "tenant_id", "config_id", "id"),
        Index("ix_report_executions_tenant", "tenant_id", "id"),
        TABLE_OPTIONS,
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    config_id: Mapped[int] = mapped_column(BigInteger)
    config_version: Mapped[int | None] = mapped_column(Integer)
    report_name: Mapped[str] = mapped_column(String(200))
    schedule_id: Mapped[int | None] = mapped_column(BigInteger)
    retry_of: Mapped[str | None] = mapped_column(String(36))
    trigger: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(16))
    delivery_status: Mapped[str] = mapped_column(String(16), default="NONE")
    scheduled_for: Mapped[datetime] = mapped_column(UtcDateTime)
    idempotency_key: Mapped[str | None] = mapped_column(String(255))
    request_hash: Mapped[str | None] = mapped_column(String(64))
    request: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    parameters: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    priority: Mapped[int] = mapped_column(Integer, default=0)
    available_at: Mapped[datetime] = mapped_column(UtcDateTime)
    max_attempts: Mapped[int] = mapped_column(Integer, default=3)
    cancel_requested_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    completed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    row_count: Mapped[int | None] = mapped_column(BigInteger)
    completeness: Mapped[str | None] = mapped_column(String(16))
    control_totals: Mapped[dict[str, Any] | None] = mapped_column(Json)
    warnings: Mapped[list[str]] = mapped_column(Json, default=list)
    progress: Mapped[dict[str, Any] | None] = mapped_column(Json)
    error: Mapped[dict[str, Any] | None] = mapped_column(Json)
    sent_query: Mapped[str | None] = mapped_column(LongText)


class Artifact(TenantOwned, Base):
    """One finished file. `burst_key` is empty unless a report is cut into one file per value."""

    __tablename__ = "report_artifacts"
    __table_args__ = (UniqueConstraint("execution_id", "format", "burst_key"), TABLE_OPTIONS)

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    execution_id: Mapped[str] = mapped_column(String(36), ForeignKey("report_executions.id"))
    format: Mapped[str] = mapped_column(String(32))
    burst_key: Mapped[str] = mapped_column(String(200), default="")
    file_name: Mapped[str] = mapped_column(String(255))
    media_type: Mapped[str] = mapped_column(String(128))
    storage_key: Mapped[str] = mapped_column(String(512))
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    row_count: Mapped[int] = mapped_column(BigInteger)
    rows_read_back: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
