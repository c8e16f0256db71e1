"""Prometheus series of the engine; labels are bounded (never names, addresses or ids)."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram


class EngineMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.execution_seconds = Histogram(
            "report_hub_execution_seconds",
            "Time of an execution from claim to end",
            registry=registry,
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200),
        )
        self.attempts = Counter("report_hub_delivery_attempts_total", "Delivery attempts made", registry=registry)
