"""Removes what is over: artifacts past their time of keeping, old history, workspaces and files that nobody owns."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import PurePosixPath

import structlog
from sqlalchemy import select, update

from shared.db.executions import ENDED, UNFINISHED_DELIVERY
from shared.db.models import Artifact, Execution
from shared.history import remove_execution
from shared.storage import ArtifactStore
from shared.web import ServiceContext

_BATCH = 200


class Housekeeper:
    """One round every minute; several engines may do it at the same time."""

    interval = timedelta(minutes=1)

    def __init__(self, context: ServiceContext, store: ArtifactStore) -> None:
        self._context = context
        self._store = store
        self._rounds = 0
        self._log = structlog.get_logger()

    def run(self) -> None:
        now = self._context.clock.now()
        expired = self._expire_artifacts(now)
        removed = self._remove_history(now - self._context.settings.history_retention)
        self._remove_workspaces()
        self._remove_orphans()
        self._rounds += 1
        if expired or removed:
            self._log.info("tidied up", artifacts=expired, executions=removed)

    def _expire_artifacts(self, now: datetime) -> int:
        """Delete files whose time is over, but never one that still waits for a delivery."""
        with self._context.database.reading() as session:
            statement = (
                select(Artifact.id, Artifact.storage_key)
                .join(Execution, Execution.id == Artifact.execution_id)
                .where(Artifact.expires_at < now, Artifact.deleted_at.is_(None))
                .where(Execution.delivery_status.not_in(UNFINISHED_DELIVERY))
                .limit(_BATCH)
            )
            expired = session.execute(statement).all()
        for artifact_id, key in expired:
            self._store.delete(key)
            with self._context.database.transaction() as session:
                session.execute(update(Artifact).where(Artifact.id == artifact_id).values(deleted_at=now))
        return len(expired)

    def _remove_history(self, before: datetime) -> int:
        with self._context.database.reading() as session:
            statement = select(Execution.id).where(
                Execution.created_at < before,
                Execution.status.in_(ENDED),
                Execution.delivery_status.not_in(UNFINISHED_DELIVERY),
            )
            ids = list(session.scalars(statement.limit(_BATCH)))
        for execution_id in ids:
            remove_execution(self._context.database, self._store, execution_id)
        return len(ids)

    def _remove_workspaces(self) -> None:
        """Workspaces of engines that died: those whose execution is not running any more."""
        folder = self._context.settings.data_dir.absolute() / "workspaces"
        found = {path.name.rsplit("-", 1)[0]: path for path in folder.glob("*-*")} if folder.is_dir() else {}
        if not found:
            return
        with self._context.database.reading() as session:
            statement = select(Execution.id).where(Execution.id.in_(list(found)), Execution.status == "RUNNING")
            busy = set(session.scalars(statement))
        for execution_id in found.keys() - busy:
            shutil.rmtree(found[execution_id], ignore_errors=True)

    def _remove_orphans(self) -> None:
        """Files of one day that no execution owns: those of engines that died before they could say so."""
        days = self._store.days()
        keys = self._store.keys(days[self._rounds % len(days)]) if days else []
        for first in range(0, len(keys), _BATCH):
            for key in self._orphans(keys[first : first + _BATCH]):
                self._store.delete(key)

    def _orphans(self, keys: list[str]) -> list[str]:
        owner = {key: PurePosixPath(key).parts[3] for key in keys}
        with self._context.database.reading() as session:
            # In this order: what still runs may be about to be noted, what does not run is noted already or never.
            running = select(Execution.id).where(Execution.id.in_(set(owner.values())), Execution.status == "RUNNING")
            busy = set(session.scalars(running))
        with self._context.database.reading() as session:
            known = set(session.scalars(select(Artifact.storage_key).where(Artifact.storage_key.in_(keys))))
        return [key for key in keys if owner[key] not in busy and key not in known]
