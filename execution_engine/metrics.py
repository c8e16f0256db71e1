"""Prometheus series of the engine; labels are bounded (never names, addresses or ids)."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from execution_engine.claiming import ExecutionQueue
from shared.clock import Clock
from shared.errors import ReportHubError


class EngineMetrics:
    def __init__(self, registry: CollectorRegistry, queue: ExecutionQueue, clock: Clock) -> None:
        self.execution_seconds = Histogram(
            "report_hub_execution_seconds",
            "Time of an execution from claim to end",
            registry=registry,
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200),
        )
        self.attempts = Counter("report_hub_delivery_attempts_total", "Delivery attempts made", registry=registry)
        registry.register(_QueueCollector(queue, clock))


class _QueueCollector(Collector):
    """Looks at the queue when it is asked."""

    def __init__(self, queue: ExecutionQueue, clock: Clock) -> None:
        self._queue = queue
        self._clock = clock

    def describe(self) -> Iterator[Metric]:
        yield from ()  # else registering would ask the database

    def collect(self) -> Iterator[Metric]:
        try:
            waiting, oldest = self._queue.depth()
            age = 0.0 if oldest is None else max(0.0, (self._clock.now() - oldest).total_seconds())
        except (SQLAlchemyError, ReportHubError):
            return  # the other series are still worth having
        yield GaugeMetricFamily("report_hub_queued_executions", "Executions that wait for their start", waiting)
        yield GaugeMetricFamily("report_hub_queue_age_seconds", "How long the oldest of them has been due", age)
