"""What people define: datasources, reports, schedules, deliveries, recipients."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.models.base import TABLE_OPTIONS, Base, Versioned
from shared.db.types import Json, LongText, UtcDateTime


class Datasource(Versioned, Base):
    """`connection_config` holds no secret; `secrets` maps a field of it to its encrypted value."""

    __tablename__ = "report_datasources"
    __table_args__ = (UniqueConstraint("tenant_id", "name"), TABLE_OPTIONS)

    name: Mapped[str] = mapped_column(String(200))
    type: Mapped[str] = mapped_column(String(64))
    connection_config: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    secrets: Mapped[dict[str, str]] = mapped_column(Json, default=dict)
    description: Mapped[str] = mapped_column(String(2000), default="")
    is_active: Mapped[bool] = mapped_column(Boolean, default=True)


class Report(Versioned, Base):
    __tablename__ = "report_configs"
    __table_args__ = (UniqueConstraint("tenant_id", "name"), TABLE_OPTIONS)

    name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(String(2000), default="")
    datasource_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("report_datasources.id"), index=True)
    query: Mapped[str | None] = mapped_column(LongText)
    query_spec: Mapped[dict[str, Any] | None] = mapped_column(Json)
    parameters: Mapped[list[dict[str, Any]]] = mapped_column(Json, default=list)
    formats: Mapped[list[str]] = mapped_column(Json, default=list)
    format_options: Mapped[dict[str, dict[str, Any]]] = mapped_column(Json, default=dict)
    chart: Mapped[dict[str, Any] | None] = mapped_column(Json)
    file_name_template: Mapped[str] = mapped_column(String(255))
    row_limit: Mapped[int | None] = mapped_column(Integer)
    on_cap: Mapped[str] = mapped_column(String(16), default="fail")
    timeout_seconds: Mapped[int | None] = mapped_column(Integer)
    tags: Mapped[list[str]] = mapped_column(Json, default=list)
    is_active: Mapped[bool] = mapped_column(Boolean, default=True)


class Schedule(Versioned, Base):
    """`next_run_at` is what the tick looks for; NULL when nothing is to come (paused, ended)."""

    __tablename__ = "report_schedules"
    __table_args__ = (Index("ix_report_schedules_due", "is_active", "next_run_at", "id"), TABLE_OPTIONS)

    config_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("report_configs.id"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    cron_expression: Mapped[str] = mapped_column(String(255))
    timezone: Mapped[str] = mapped_column(String(64))
    parameters: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    formats: Mapped[list[str] | None] = mapped_column(Json)
    delivery_ids: Mapped[list[int] | None] = mapped_column(Json)
    calendar_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("calendars.id"))
    misfire_policy: Mapped[str] = mapped_column(String(16), default="fire_once")
    misfire_grace_seconds: Mapped[int] = mapped_column(Integer, default=300)
    overlap_policy: Mapped[str] = mapped_column(String(16), default="queue")
    jitter_seconds: Mapped[int] = mapped_column(Integer, default=0)
    start_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    end_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    is_active: Mapped[bool] = mapped_column(Boolean, default=True)
    last_run_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    next_run_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    run_count: Mapped[int] = mapped_column(Integer, default=0)


class Delivery(Versioned, Base):
    """`on_unknown`: what happens to an attempt whose outcome cannot be known: resend, or ask (a person decides)."""

    __tablename__ = "report_deliveries"
    __table_args__ = (TABLE_OPTIONS,)

    config_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("report_configs.id"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    method: Mapped[str] = mapped_column(String(64))
    delivery_config: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    secrets: Mapped[dict[str, str]] = mapped_column(Json, default=dict)
    condition: Mapped[str] = mapped_column(String(16), default="always")
    max_retry: Mapped[int] = mapped_column(Integer, default=3)
    retry_interval_minutes: Mapped[int] = mapped_column(Integer, default=5)
    on_unknown: Mapped[str] = mapped_column(String(16), default="resend")
    is_active: Mapped[bool] = mapped_column(Boolean, default=True)


class Recipient(Versioned, Base):
    __tablename__ = "report_delivery_recipients"
    __table_args__ = (UniqueConstraint("delivery_id", "address"), TABLE_OPTIONS)

    delivery_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("report_deliveries.id"), index=True)
    name: Mapped[str] = mapped_column(String(200), default="")
    address: Mapped[str] = mapped_column(String(320))
    kind: Mapped[str] = mapped_column(String(8), default="to")
    filter: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    is_active: Mapped[bool] = mapped_column(Boolean, default=True)
