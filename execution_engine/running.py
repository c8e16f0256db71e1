"""Carries one claimed execution to its end: prepare, run in a worker process, keep the files, plan deliveries."""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog

from execution_engine.claiming import Claim, ExecutionQueue, LeaseLost
from execution_engine.errors_log import log_error
from execution_engine.keeping import Keeper
from execution_engine.orders import ExecutionResult
from execution_engine.patience import insist
from execution_engine.preparing import Prepared, Preparer
from execution_engine.worker import Worker, WorkFailed
from execution_engine.workers import WorkerPool
from shared.clock import Clock
from shared.db.database import Database
from shared.db.models import Execution
from shared.errors import Cancelled, ReportHubError, SourceUnavailable, StorageFull, WorkerLost
from shared.faults import crash_point
from shared.retry import backoff
from shared.settings import Settings
from shared.storage import ArtifactStore, storage_errors

_RETRY_INTERVAL = timedelta(seconds=30)
_LOST_INTERVAL = timedelta(seconds=1)
"""A worker that was killed is no sign that the datasource needs rest."""
_PATIENT_TRIGGERS = ("schedule", "backfill", "record")
"""Nobody waits for these, so a datasource that is down is tried again; a person gets the answer at once."""


@dataclass
class Running:
    """An execution that this engine is working on."""

    claim: Claim
    worker: Worker | None = None
    progress: tuple[str, int] | None = None
    noted_progress: tuple[str, int] | None = None
    is_cancelled: bool = False
    is_stopping: bool = False
    is_lost: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def must_stop(self) -> bool:
        return self.is_cancelled or self.is_stopping or self.is_lost

    def stop(self) -> None:
        """Cancel the work, on the datasource's server too."""
        with self.lock:
            if self.worker is not None:
                self.worker.cancel()


@dataclass(frozen=True)
class Tools:
    """What carrying out an execution needs."""

    settings: Settings
    database: Database
    clock: Clock
    queue: ExecutionQueue
    preparer: Preparer
    store: ArtifactStore
    workers: WorkerPool


class ExecutionRunner:
    """Runs claimed executions; one call of `run` per execution, each in its own thread."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._keeper = Keeper(tools.settings, tools.database, tools.clock, tools.queue, tools.store)
        self._log = structlog.get_logger()

    def run(self, running: Running) -> None:
        """From claim to end. Never raises: what goes wrong is on the execution."""
        claim = running.claim
        workspace = self._workspace(claim)
        with structlog.contextvars.bound_contextvars(execution_id=claim.execution_id, tenant_id=claim.tenant_id):
            try:
                self._carry_out(running, workspace)
            except LeaseLost:
                self._log.warning("lease lost, the work is void")
            except WorkFailed as failure:
                self._failed(running, failure.error, failure.cause)
            except ReportHubError as error:
                self._failed(running, error)
            except Exception as error:  # noqa: BLE001 - an execution must never stay open because of our fault
                self._log.exception("unexpected error")
                hidden = ReportHubError("An unexpected error ended the execution.", hint="The error log has the cause.")
                hidden.__cause__ = error
                self._failed(running, hidden)
            finally:
                shutil.rmtree(workspace, ignore_errors=True)

    def _carry_out(self, running: Running, workspace: Path) -> None:
        tools, claim = self._tools, running.claim
        if claim.fence > 1:
            self._remove_leftovers(claim)
        with storage_errors():
            workspace.mkdir(parents=True, mode=0o700)
        prepared = self._prepare(claim, workspace)
        tools.queue.note_start(claim, config_version=prepared.config_version, parameters=prepared.parameters)
        result = self._work(running, prepared)
        crash_point("files_written")
        self._keeper.keep(claim, prepared, result)
        self._log.info("execution completed", rows=result.row_count, files=len(result.files))

    def _prepare(self, claim: Claim, workspace: Path) -> Prepared:
        with self._tools.database.reading() as session:
            execution = session.get_one(Execution, claim.execution_id)
            return self._tools.preparer.execution(session, execution, workspace, self._tools.clock.now())

    def _work(self, running: Running, prepared: Prepared) -> ExecutionResult:
        with self._tools.workers.worker() as worker:
            with running.lock:
                running.worker = worker
                if running.must_stop:
                    worker.cancel()
            try:
                result: ExecutionResult = worker.run(prepared.order, lambda *seen: setattr(running, "progress", seen))
            finally:
                with running.lock:
                    running.worker = None
        return result

    def _remove_leftovers(self, claim: Claim) -> None:
        """What earlier holders left when they died: as long as it runs, nothing of an execution counts but ours."""
        with self._tools.database.reading() as session:
            execution = session.get_one(Execution, claim.execution_id)
        self._tools.store.remove_attempts(claim.execution_id, execution.created_at, before=claim.fence)
        for folder in self._workspace(claim).parent.glob(f"{claim.execution_id}-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def _failed(self, running: Running, error: ReportHubError, cause: str = "") -> None:
        """Decide what a failure means: hand back, try again later, or end."""
        if running.is_lost:
            self._log.warning("lease lost, the work is void")
            return
        try:
            insist(lambda: self._decide(running, error), self._tools.settings.lease)
        except LeaseLost:
            self._log.warning("lease lost before the failure could be noted")
            return
        if not isinstance(error, Cancelled):
            log_error(
                self._tools.database,
                self._tools.clock,
                running.claim.tenant_id,
                error,
                running.claim.execution_id,
                cause,
            )
        self._log.warning("execution did not complete", error_code=error.code, error=error.message)

    def _decide(self, running: Running, error: ReportHubError) -> None:
        claim, queue = running.claim, self._tools.queue
        if running.is_cancelled:
            self._end(claim, "CANCELLED", None)
        elif running.is_stopping:
            queue.hand_back(claim, delay=timedelta(0), error=None, is_counted=False)
        elif self._may_try_again(claim, error):
            interval = _LOST_INTERVAL if isinstance(error, WorkerLost) else _RETRY_INTERVAL
            queue.hand_back(claim, delay=backoff(claim.attempt, interval), error=error)
        elif isinstance(error, Cancelled):
            self._end(claim, "CANCELLED", None)
        else:
            self._end(claim, "FAILED", error)

    def _may_try_again(self, claim: Claim, error: ReportHubError) -> bool:
        with self._tools.database.reading() as session:
            execution = session.get_one(Execution, claim.execution_id)
        if claim.attempt >= execution.max_attempts:
            return False
        if isinstance(error, WorkerLost):
            return True
        return isinstance(error, (SourceUnavailable, StorageFull)) and execution.trigger in _PATIENT_TRIGGERS

    def _end(self, claim: Claim, status: str, error: ReportHubError | None) -> None:
        values: dict[str, Any] = {"completed_at": self._tools.clock.now(), "progress": None}
        values["error"] = None if error is None else error.as_dict()
        self._tools.database.run(lambda session: self._tools.queue.transition(session, claim, status, **values))

    def _workspace(self, claim: Claim) -> Path:
        folder = self._tools.settings.data_dir.absolute() / "workspaces"
        return folder / f"{claim.execution_id}-{claim.fence}"
