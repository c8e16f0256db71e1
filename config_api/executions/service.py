"""The history of executions, and what may still be done about one."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from config_api.changes import note_change
from config_api.dead_letters.service import reopen
from config_api.engine import ask, nudge
from config_api.executions.download import Download
from shared.auth import Principal
from shared.db.executions import ENDED, UNFINISHED_DELIVERY, audit_execution, new_execution, story, summary
from shared.db.models import Artifact, DeliveryTask, Execution, Report
from shared.errors import Conflict, FieldProblem, InvalidInput, NotFound
from shared.executions import Accepted, ExecutionOut, ExecutionStory, derive_state
from shared.history import remove_execution
from shared.plugins import load
from shared.services import EngineClient
from shared.storage import ArtifactStore
from shared.web import Page, ServiceContext, ordered
from shared.web.listing import Listing

_SORTABLE = ("id", "created_at", "scheduled_for", "started_at", "completed_at", "row_count", "report_name")


class Executions:
    def __init__(self, context: ServiceContext, engine: EngineClient) -> None:
        self._context = context
        self._database = context.database
        self._engine = engine
        self._store = ArtifactStore.open(context.settings)

    def page(self, asker: Principal, listing: Listing, conditions: Sequence[ColumnElement[bool]]) -> Page[ExecutionOut]:
        """Newest first unless another order is asked for."""
        if listing.sort_by is None:
            listing = listing.model_copy(update={"sort_order": "desc"})
        columns = {name: getattr(Execution, name) for name in _SORTABLE}
        with self._database.scoped(asker.tenant_id) as session:
            total = session.scalar(select(func.count()).select_from(Execution).where(*conditions)) or 0
            statement = ordered(select(Execution).where(*conditions), listing, columns)
            items = [summary(execution) for execution in session.scalars(statement)]
        return Page(items=items, total=total, limit=listing.limit, offset=listing.offset)

    def story(self, asker: Principal, execution_id: str) -> ExecutionStory:
        with self._database.scoped(asker.tenant_id) as session:
            return story(session, self._row(session, execution_id))

    def download(
        self, asker: Principal, execution_id: str, *, format_name: str | None = None, artifact_id: int | None = None
    ) -> Download:
        """One artifact, by id, by format, or the only one.

        Raises:
            NotFound: there is none, or it was removed after its time of keeping.
            Conflict: what is stored is not what was made.
            InvalidInput: there are several and none is named.
        """
        wanted = None if format_name is None else _extension(format_name)
        with self._database.scoped(asker.tenant_id) as session:
            execution = self._row(session, execution_id)
            statement = select(Artifact).where(Artifact.execution_id == execution.id).order_by(Artifact.id)
            artifacts = session.scalars(statement).all()
        found = [
            artifact
            for artifact in artifacts
            if wanted in (None, artifact.format) and artifact_id in (None, artifact.id)
        ]
        if not found:
            raise NotFound(
                f"The execution is {derive_state(execution.status, execution.delivery_status)} and has no such file."
            )
        if len(found) > 1:
            message = f"must be one of: {', '.join(artifact.format for artifact in found)}"
            raise InvalidInput(f"format {message}.", details=[FieldProblem("format", message)])
        artifact = found[0]
        if artifact.deleted_at is not None:
            raise NotFound("The file was removed because its time of keeping is over.")
        path = self._store.path(artifact.storage_key)
        if path.stat().st_size != artifact.size:
            raise Conflict("The stored file is damaged, so it is not handed out.", hint="Execute the report again.")
        return Download(path, artifact.file_name, artifact.media_type, artifact.size, artifact.sha256)

    def retry(self, asker: Principal, execution_id: str) -> Accepted:
        """Do again what failed, and only that.

        A run that failed is executed again for the same logical time. A run whose files exist is not: its deliveries
        that failed are tried again, and nobody who has received it gets it twice.
        """
        now = self._context.clock.now()
        with self._database.scoped(asker.tenant_id, is_write=True) as session:
            execution = self._row(session, execution_id)
            if execution.status == "COMPLETED":
                reopened = self._reopen_deliveries(session, execution)
                note_change(session, asker, "retried", "execution", execution_id, now=now, after={"tasks": reopened})
                wanted = execution
            else:
                wanted = self._again(session, asker, execution)
        nudge(self._engine, asker, wanted.id)
        return Accepted(execution_id=wanted.id, config_id=wanted.config_id, status=wanted.status)

    def cancel(self, asker: Principal, execution_id: str) -> Accepted:
        """The engine decides: it also stops the query on the datasource's server."""
        with self._database.scoped(asker.tenant_id) as session:
            self._row(session, execution_id)
        return ask(self._engine, asker, Accepted, "POST", f"/api/execution/{execution_id}/cancel")

    def delete(self, asker: Principal, execution_id: str) -> None:
        """Raises Conflict while it is queued, running or being delivered."""
        now = self._context.clock.now()
        with self._database.scoped(asker.tenant_id, is_write=True) as session:
            execution = self._row(session, execution_id)
            if execution.status not in ENDED or execution.delivery_status in UNFINISHED_DELIVERY:
                raise Conflict("The execution has not ended yet.", hint="Cancel it first.")
            before = summary(execution).model_dump(mode="json")
            note_change(session, asker, "deleted", "execution", execution_id, now=now, before=before)
        remove_execution(self._database, self._store, execution_id)

    def _reopen_deliveries(self, session: Session, execution: Execution) -> int:
        statement = select(DeliveryTask).where(
            DeliveryTask.execution_id == execution.id, DeliveryTask.status.in_(("DEAD", "REFUSED", "UNKNOWN"))
        )
        tasks = session.scalars(statement.with_for_update()).all()
        if not tasks:
            raise Conflict(
                "There is nothing to retry: the execution completed and no delivery of it failed.",
                hint="Execute the report to make new files.",
            )
        reopen(session, tasks, self._context.clock.now())
        return len(tasks)

    def _again(self, session: Session, asker: Principal, execution: Execution) -> Execution:
        if execution.status not in ENDED:
            raise Conflict(f"The execution has not ended yet; it is {execution.status}.")
        report = session.scalar(select(Report).where(Report.id == execution.config_id).with_for_update())
        if report is None:
            raise Conflict("The report of this execution was deleted.")
        pending = select(Execution).where(Execution.retry_of == execution.id, Execution.status.not_in(ENDED))
        known = session.scalar(pending.limit(1))
        if known is not None:  # pressed twice
            return known
        now = self._context.clock.now()
        again = new_execution(
            report,
            trigger="retry",
            scheduled_for=execution.scheduled_for,
            now=now,
            max_attempts=self._context.settings.max_attempts,
            retry_of=execution.id,
            parameters=execution.request.get("parameters") or {},
            request=execution.request,
        )
        session.add(again)
        audit_execution(session, again, asker.actor, "accepted", now, {"retry_of": execution.id})
        return again

    @staticmethod
    def _row(session: Session, execution_id: str) -> Execution:
        is_id = re.fullmatch(r"[0-9a-f-]{36}", execution_id)
        execution = session.scalar(select(Execution).where(Execution.id == execution_id)) if is_id else None
        if execution is None:
            raise NotFound("There is no execution with this id.")
        return execution


def _extension(format_name: str) -> str:
    """`excel` is `xlsx`; a format that nobody knows stays as it is, and no file has it."""
    try:
        return load("converter", format_name).extension
    except InvalidInput:
        return format_name
