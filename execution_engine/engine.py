"""The engine's heart: claims work when there is some, keeps its leases alive, passes cancels on, and stops in order."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from execution_engine.claiming import ExecutionQueue
from execution_engine.delivering import DeliveryRunner
from execution_engine.housekeeping import Housekeeper
from execution_engine.ledger import AttemptClaim, DeliveryLedger
from execution_engine.metrics import EngineMetrics
from execution_engine.preparing import Preparer
from execution_engine.running import ExecutionRunner, Running, Tools
from execution_engine.workers import WorkerPool, start_fork_server
from shared.errors import ReportHubError
from shared.storage import ArtifactStore
from shared.web import ServiceContext

T = TypeVar("T")
_PULSE_SECONDS = 0.5
_PROGRESS_SECONDS = 1.0


class Engine:
    """All background work of one engine process."""

    def __init__(self, context: ServiceContext) -> None:
        settings = context.settings
        self._context = context
        self.owner = f"engine:{socket.gethostname()}:{os.getpid()}"[:128]
        self.preparer = Preparer(settings, context.vault)
        self.store = ArtifactStore.open(settings)
        self.queue = ExecutionQueue(context.database, context.clock, self.owner, settings.lease)
        self.metrics = EngineMetrics(context.metrics, self.queue, context.clock)
        self.ledger = DeliveryLedger(context.database, context.clock, self.owner, settings.lease)
        start_fork_server()
        self._workers = WorkerPool(spare=min(2, settings.engine_slots), is_reused=False)
        self.helpers = WorkerPool(spare=1, is_reused=True)
        self._runner = ExecutionRunner(
            Tools(settings, context.database, context.clock, self.queue, self.preparer, self.store, self._workers)
        )
        self._deliverer = DeliveryRunner(
            settings, context.database, context.clock, self.ledger, self.preparer, self.store, self.helpers
        )
        self._housekeeper = Housekeeper(context, self.store)
        self._running: dict[str, Running] = {}
        self._sending: dict[tuple[int, int], AttemptClaim] = {}
        self._lock = threading.Lock()
        self._execution_nudge = threading.Event()
        self._delivery_nudge = threading.Event()
        self._stop = threading.Event()
        self._closed = threading.Event()
        self._executions = ThreadPoolExecutor(settings.engine_slots, thread_name_prefix="execution")
        self._deliveries = ThreadPoolExecutor(settings.delivery_slots, thread_name_prefix="delivery")
        self._claimers = [
            threading.Thread(target=self._claim_executions, name="claim-executions", daemon=True),
            threading.Thread(target=self._claim_deliveries, name="claim-deliveries", daemon=True),
        ]
        self._keepers = [
            threading.Thread(target=self._pulse, name="pulse", daemon=True),
            threading.Thread(target=self._keep_house, name="housekeeping", daemon=True),
        ]
        self._log = structlog.get_logger()

    def start(self) -> None:
        for thread in (*self._claimers, *self._keepers):
            thread.start()

    def nudge(self) -> None:
        """There is work: look now, not at the next poll."""
        self._execution_nudge.set()
        self._delivery_nudge.set()

    def cancel(self, execution_id: str) -> None:
        """Stop an execution that this engine runs; another engine sees the request in the database."""
        with self._lock:
            running = self._running.get(execution_id)
        if running is not None:
            running.is_cancelled = True
            running.stop()

    def stop(self) -> None:
        """Claim nothing more; let executions finish for the grace period; hand back what is left."""
        deadline = time.monotonic() + self._context.settings.shutdown_grace.total_seconds()
        self._stop.set()
        self.nudge()
        for thread in self._claimers:
            thread.join()
        while self._is_busy() and time.monotonic() < deadline:
            self._closed.wait(0.05)
        with self._lock:
            left = list(self._running.values())
        for running in left:
            running.is_stopping = True
            running.stop()
        self._deliverer.stop()
        self._executions.shutdown(wait=True)
        self._deliveries.shutdown(wait=True)
        self._closed.set()
        for thread in self._keepers:
            thread.join(timeout=5)
        self._workers.close()
        self.helpers.close()

    def _is_busy(self) -> bool:
        with self._lock:
            return bool(self._running or self._sending)

    def _claim_executions(self) -> None:
        while not self._stop.is_set():
            self._execution_nudge.clear()
            claimed = self._guarded(self._start_executions, 0)
            if not claimed:
                self._execution_nudge.wait(self._context.settings.poll.total_seconds())

    def _start_executions(self) -> int:
        with self._lock:
            free = self._context.settings.engine_slots - len(self._running)
        claims = self.queue.claim(free)
        for claim in claims:
            running = Running(claim)
            if claim.attempt > 1:
                self._log.info("execution is started again", execution_id=claim.execution_id, attempt=claim.attempt)
            with self._lock:
                self._running[claim.execution_id] = running
            self._executions.submit(self._run_execution, running)
        return len(claims)

    def _run_execution(self, running: Running) -> None:
        started = time.monotonic()
        try:
            self._runner.run(running)
        except Exception:  # noqa: BLE001 - the thread must go on
            self._log.exception("the end of an execution could not be noted; its lease will run out")
        finally:
            with self._lock:
                self._running.pop(running.claim.execution_id, None)
            self.metrics.execution_seconds.observe(time.monotonic() - started)
            self.nudge()

    def _claim_deliveries(self) -> None:
        while not self._stop.is_set():
            self._delivery_nudge.clear()
            claimed = self._guarded(self._start_deliveries, 0)
            if not claimed:
                self._delivery_nudge.wait(self._context.settings.poll.total_seconds())

    def _start_deliveries(self) -> int:
        with self._lock:
            free = self._context.settings.delivery_slots - len(self._sending)
        claims = self.ledger.claim(free)
        for claim in claims:
            with self._lock:
                self._sending[claim.task_id, claim.fence] = claim
            self._deliveries.submit(self._run_delivery, claim)
        return len(claims)

    def _run_delivery(self, claim: AttemptClaim) -> None:
        try:
            self._deliverer.run(claim)
        except Exception:  # noqa: BLE001 - the thread must go on
            self._log.exception("the outcome of an attempt could not be noted; its lease will run out")
        finally:
            with self._lock:
                self._sending.pop((claim.task_id, claim.fence), None)
            self.metrics.attempts.inc()
            self._delivery_nudge.set()

    def _pulse(self) -> None:
        """Twice a second: cancels and progress; every heartbeat: leases."""
        renewed = noted = time.monotonic()
        while not self._closed.wait(_PULSE_SECONDS):
            now = time.monotonic()
            if now - renewed >= self._context.settings.heartbeat.total_seconds() and self._guarded(self._renew, False):
                renewed = now
            if now - noted >= _PROGRESS_SECONDS:
                self._guarded(self._note_progress, None)
                noted = now
            self._guarded(self._pass_cancels_on, None)

    def _renew(self) -> bool:
        with self._lock:
            running, sending = dict(self._running), list(self._sending.values())
        for execution_id in self.queue.renew([item.claim for item in running.values()]) if running else ():
            if execution_id in self._running:  # not one that has ended in the meantime
                running[execution_id].is_lost = True
                running[execution_id].stop()
        if sending:
            self.ledger.renew(sending)
        return True

    def _note_progress(self) -> None:
        with self._lock:
            running = list(self._running.values())
        for item in running:
            if item.progress is not None and item.progress != item.noted_progress:
                item.noted_progress = item.progress
                self.queue.note_progress(item.claim, *item.progress)

    def _pass_cancels_on(self) -> None:
        with self._lock:
            claims = [item.claim for item in self._running.values() if not item.is_cancelled]
        for execution_id in self.queue.cancelled(claims) if claims else ():
            self.cancel(execution_id)

    def _keep_house(self) -> None:
        pause = 0.0
        while not self._closed.wait(pause):
            self._guarded(self._housekeeper.run, None)
            pause = self._housekeeper.interval.total_seconds()

    def _guarded(self, work: Callable[[], T], otherwise: T) -> T:
        try:
            return work()
        except (SQLAlchemyError, ReportHubError) as error:
            self._log.warning("the database does not answer; trying again", exc_info=error)
        except Exception:  # noqa: BLE001 - an engine that lives but does not work would be worse than a repeated error
            self._log.exception("unexpected error; trying again")
        self._closed.wait(1)
        return otherwise
