"""What the engine tells a worker process to do, and what comes back. Everything here travels through a pipe.

A worker process knows no database and no master key: it gets plain values and opened configurations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.network import NetworkPolicy
from shared.plugins import Parcel, PluginConfig, ReportInfo


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one order: seconds on the clock, megabytes that the process may add."""

    timeout_seconds: float
    memory_mb: int


@dataclass(frozen=True, slots=True)
class FormatOrder:
    """One format to write: the converter's kind and its configuration."""

    format: str
    config: PluginConfig


@dataclass(frozen=True, slots=True)
class SourceOrder:
    """A datasource: the connector's kind and its opened configuration."""

    kind: str
    config: PluginConfig


@dataclass(frozen=True, slots=True)
class ExecutionOrder:
    """Fetch once, write all formats into `workspace`."""

    source: SourceOrder
    query: str
    params: Mapping[str, Any]
    formats: tuple[FormatOrder, ...]
    info: ReportInfo
    workspace: Path
    row_limit: int | None
    on_cap: str
    limits: Limits
    network: NetworkPolicy
    needs_content_hash: bool = False


@dataclass(frozen=True, slots=True)
class PreviewOrder:
    """The first rows of a query; with `rows` = 0 only its columns."""

    source: SourceOrder
    query: str
    params: Mapping[str, Any]
    rows: int
    limits: Limits
    network: NetworkPolicy


@dataclass(frozen=True, slots=True)
class CheckSourceOrder:
    source: SourceOrder
    limits: Limits
    network: NetworkPolicy


@dataclass(frozen=True, slots=True)
class TablesOrder:
    source: SourceOrder
    limits: Limits
    network: NetworkPolicy


@dataclass(frozen=True, slots=True)
class DeliveryOrder:
    """One attempt at one delivery."""

    method: str
    config: PluginConfig
    parcel: Parcel
    limits: Limits
    network: NetworkPolicy


Order = ExecutionOrder | PreviewOrder | CheckSourceOrder | TablesOrder | DeliveryOrder


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A finished file in the workspace."""

    format: str
    path: Path
    media_type: str
    extension: str
    size: int
    sha256: str
    row_count: int
    rows_read_back: int | None


@dataclass(frozen=True, slots=True)
class ExecutionResult:
    """What an execution made. `control_totals` is documented in docs/explanation/completeness.md."""

    files: tuple[WrittenFile, ...]
    row_count: int
    completeness: str
    control_totals: dict[str, Any]
    sent_query: str
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default_factory=tuple)
