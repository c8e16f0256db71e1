"""Carries one claimed execution to its end: prepare, run in a worker process, keep the files, plan deliveries."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy.orm import Session

from execution_engine.claiming import Claim, ExecutionQueue, LeaseLost
from execution_engine.errors_log import log_error
from execution_engine.ledger import delivery_status
from execution_engine.orders import ExecutionResult, WrittenFile
from execution_engine.planning import plan_deliveries
from execution_engine.preparing import Prepared, Preparer
from execution_engine.workers import Worker, WorkerPool, WorkFailed
from shared.clock import Clock
from shared.db.database import Database
from shared.db.models import Artifact, Execution
from shared.errors import Cancelled, ReportHubError, SourceUnavailable, StorageFull, WorkerLost
from shared.faults import crash_point
from shared.plugins.files import clean_file_name, unique_names
from shared.retry import backoff
from shared.settings import Settings
from shared.storage import ArtifactStore, storage_errors
from shared.templates import render, template_context

_RETRY_INTERVAL = timedelta(seconds=30)
_PATIENT_TRIGGERS = ("schedule", "backfill", "record")
"""Nobody waits for these, so a datasource that is down is tried again; a person gets the answer at once."""


@dataclass
class Running:
    """An execution that this engine is working on."""

    claim: Claim
    worker: Worker | None = None
    progress: tuple[str, int] | None = None
    is_cancelled: bool = False
    is_stopping: bool = False
    is_lost: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

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
        with storage_errors():
            workspace.mkdir(parents=True, mode=0o700)
        prepared = self._prepare(claim, workspace)
        tools.queue.note_start(claim, config_version=prepared.config_version, parameters=prepared.parameters)
        result = self._work(running, prepared)
        crash_point("files_written")
        self._complete(claim, prepared, result)
        self._log.info("execution completed", rows=result.row_count, files=len(result.files))

    def _prepare(self, claim: Claim, workspace: Path) -> Prepared:
        with self._tools.database.reading() as session:
            execution = session.get_one(Execution, claim.execution_id)
            return self._tools.preparer.execution(session, execution, workspace, self._tools.clock.now())

    def _work(self, running: Running, prepared: Prepared) -> ExecutionResult:
        worker = self._tools.workers.take()
        is_good = False
        with running.lock:
            running.worker = worker
            if running.is_cancelled or running.is_stopping:
                worker.cancel()
        try:
            result: ExecutionResult = worker.run(prepared.order, lambda *seen: setattr(running, "progress", seen))
            is_good = True
        finally:
            with running.lock:
                running.worker = None
            self._tools.workers.give_back(worker, is_good=is_good)
        return result

    def _complete(self, claim: Claim, prepared: Prepared, result: ExecutionResult) -> None:
        """Keep the files, then say so, with the tasks that follow, in one transaction."""
        tools = self._tools
        with tools.database.reading() as session:
            execution = session.get_one(Execution, claim.execution_id)
        now = tools.clock.now()
        names = self._file_names(execution, prepared, result)
        keys = [tools.store.key(claim.execution_id, claim.fence, name, execution.created_at) for name in names]
        for file, key in zip(result.files, keys, strict=True):
            tools.store.put(file.path, key)
        crash_point("artifacts_stored")

        def work(session: Session) -> None:
            ended = tools.queue.transition(session, claim, "COMPLETED", **_facts(result, now))
            artifacts = [
                self._artifact(ended, file, name, key, now)
                for file, name, key in zip(result.files, names, keys, strict=True)
            ]
            session.add_all(artifacts)
            tasks = plan_deliveries(session, ended, artifacts, now)
            session.flush()
            ended.delivery_status = "PENDING" if any(t.status == "PENDING" for t in tasks) else "NONE"
            if ended.delivery_status == "NONE" and tasks:
                ended.delivery_status = delivery_status(session, ended.id)

        try:
            tools.database.run(work)
        except LeaseLost:
            for key in keys:
                tools.store.delete(key)
            raise
        crash_point("execution_completed")

    def _artifact(self, execution: Execution, file: WrittenFile, name: str, key: str, now: datetime) -> Artifact:
        return Artifact(
            tenant_id=execution.tenant_id,
            execution_id=execution.id,
            format=file.format,
            file_name=name,
            media_type=file.media_type,
            storage_key=key,
            size=file.size,
            sha256=file.sha256,
            row_count=file.row_count,
            rows_read_back=file.rows_read_back,
            created_at=now,
            expires_at=now + self._tools.settings.artifact_retention,
        )

    def _file_names(self, execution: Execution, prepared: Prepared, result: ExecutionResult) -> Sequence[str]:
        context = template_context(
            report=execution.report_name,
            scheduled_for=execution.scheduled_for,
            timezone=prepared.timezone,
            execution_id=execution.id,
            rows=result.row_count,
            parameters=prepared.parameters,
        )
        template = prepared.file_name_template
        names = [render(template, {**context, "format": file.format}) for file in result.files]
        return unique_names(
            [clean_file_name(name, file.extension) for name, file in zip(names, result.files, strict=True)]
        )

    def _failed(self, running: Running, error: ReportHubError, cause: str = "") -> None:
        """Decide what a failure means: hand back, try again later, or end."""
        claim, queue = running.claim, self._tools.queue
        try:
            if running.is_lost:
                return
            if running.is_cancelled:
                self._end(claim, "CANCELLED", None)
            elif running.is_stopping:
                queue.hand_back(claim, delay=timedelta(0), error=None, is_counted=False)
            elif self._may_try_again(claim, error):
                queue.hand_back(claim, delay=backoff(claim.attempt, _RETRY_INTERVAL), error=error)
            elif isinstance(error, Cancelled):
                self._end(claim, "CANCELLED", None)
            else:
                self._end(claim, "FAILED", error)
                log_error(self._tools.database, self._tools.clock, claim.tenant_id, error, claim.execution_id, cause)
            self._log.warning("execution did not complete", error_code=error.code, error=error.message)
        except LeaseLost:
            self._log.warning("lease lost before the failure could be noted")

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


def _facts(result: ExecutionResult, now: datetime) -> dict[str, Any]:
    return {
        "completed_at": now,
        "row_count": result.row_count,
        "completeness": result.completeness,
        "control_totals": result.control_totals | {"notes": list(result.notes)},
        "warnings": list(result.warnings),
        "sent_query": result.sent_query,
        "progress": None,
        "error": None,
    }
