"""What must reach whom, and every attempt at it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.models.base import TABLE_OPTIONS, Base, BigId, TenantOwned
from shared.db.models.execution import Leased
from shared.db.types import Json, UtcDateTime


class DeliveryTask(Leased, TenantOwned, Base):
    """One recipient (or one place) of one delivery of one execution.

    Attributes:
        artifact_set: the formats that go along, sorted and joined by '+'.
        attempts_allowed: after this many attempts it is DEAD; a replay raises it.
        message: the last thing to say about it, in the words of the place it went to.
        next_attempt_at: when it is due (PENDING, WAITING); NULL when nothing is to come.
    """

    __tablename__ = "report_delivery_tasks"
    __table_args__ = (
        UniqueConstraint("execution_id", "delivery_id", "recipient", "artifact_set"),
        Index("ix_report_delivery_tasks_queue", "status", "next_attempt_at", "id"),
        TABLE_OPTIONS,
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    execution_id: Mapped[str] = mapped_column(String(36), ForeignKey("report_executions.id"))
    delivery_id: Mapped[int] = mapped_column(BigInteger, index=True)
    method: Mapped[str] = mapped_column(String(64))
    recipient: Mapped[str] = mapped_column(String(320))
    recipient_name: Mapped[str] = mapped_column(String(200), default="")
    recipient_kind: Mapped[str] = mapped_column(String(8), default="")
    artifact_set: Mapped[str] = mapped_column(String(200), default="")
    status: Mapped[str] = mapped_column(String(16))
    attempts_allowed: Mapped[int] = mapped_column(Integer, default=1)
    message: Mapped[str | None] = mapped_column(String(2000))
    next_attempt_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    completed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class DeliveryAttempt(TenantOwned, Base):
    """One try. Written before anything is sent; SENDING until the outcome is known."""

    __tablename__ = "report_delivery_logs"
    __table_args__ = (UniqueConstraint("task_id", "number"), TABLE_OPTIONS)

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    task_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("report_delivery_tasks.id"))
    number: Mapped[int] = mapped_column(Integer)
    status: Mapped[str] = mapped_column(String(16))
    worker: Mapped[str] = mapped_column(String(128))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    error_code: Mapped[str | None] = mapped_column(String(64))
    message: Mapped[str | None] = mapped_column(String(2000))
    detail: Mapped[dict[str, Any] | None] = mapped_column(Json)
