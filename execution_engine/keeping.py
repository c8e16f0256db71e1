"""Keeps what a finished execution made: files into the store, then the facts and the deliveries in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from execution_engine.claiming import Claim, ExecutionQueue, LeaseLost
from execution_engine.ledger import delivery_status
from execution_engine.orders import ExecutionResult, WrittenFile
from execution_engine.patience import insist
from execution_engine.planning import plan_deliveries
from execution_engine.preparing import Prepared
from shared.clock import Clock
from shared.db.database import Database
from shared.db.models import Artifact, Execution
from shared.errors import Cancelled, StorageFull
from shared.faults import crash_point
from shared.plugins.files import clean_file_name, unique_names
from shared.settings import Settings
from shared.storage import ArtifactStore
from shared.templates import render, template_context


class Keeper:
    """The last step of an execution that succeeded."""

    def __init__(
        self, settings: Settings, database: Database, clock: Clock, queue: ExecutionQueue, store: ArtifactStore
    ) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock
        self._queue = queue
        self._store = store

    def keep(self, claim: Claim, prepared: Prepared, result: ExecutionResult) -> None:
        """Keep the files, then say so, with the tasks that follow, in one transaction.

        Raises:
            LeaseLost: another engine holds the execution; the files are gone again.
            Cancelled: somebody cancelled it before its end was written; likewise.
            StorageFull: there is no room for the files.
        """
        with self._database.reading() as session:
            execution = session.get_one(Execution, claim.execution_id)
        now = self._clock.now()
        names = self._file_names(execution, prepared, result)
        keys = [self._store.key(claim.execution_id, claim.fence, name, execution.created_at) for name in names]

        def work(session: Session) -> None:
            ended = self._queue.transition(session, claim, "COMPLETED", **_facts(result, now))
            if ended.cancel_requested_at is not None:
                raise Cancelled("The execution was cancelled.")
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
            for file, key in zip(result.files, keys, strict=True):
                self._store.put(file.path, key)
            crash_point("artifacts_stored")
            insist(lambda: self._database.run(work), self._settings.lease)
        except (LeaseLost, Cancelled, StorageFull):
            if self._is_kept(keys[0]):  # the database said yes, but its answer was lost
                return
            for key in keys:
                self._store.delete(key)
            raise
        crash_point("execution_completed")

    def _is_kept(self, key: str) -> bool:
        with self._database.reading() as session:
            return session.scalar(select(Artifact.id).where(Artifact.storage_key == key)) is not None

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
            expires_at=now + self._settings.artifact_retention,
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
