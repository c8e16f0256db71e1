"""Removes executions from the history, with everything that hangs on them."""

from __future__ import annotations

from sqlalchemy import delete, select

from shared.db.database import Database
from shared.db.models import Artifact, DeliveryAttempt, DeliveryTask, Execution
from shared.storage import ArtifactStore


def remove_execution(database: Database, store: ArtifactStore, execution_id: str) -> None:
    """Delete an ended execution with its files, tasks and attempts."""
    with database.transaction() as session:
        tasks = select(DeliveryTask.id).where(DeliveryTask.execution_id == execution_id)
        keys = list(session.scalars(select(Artifact.storage_key).where(Artifact.execution_id == execution_id)))
        session.execute(delete(DeliveryAttempt).where(DeliveryAttempt.task_id.in_(tasks)))
        session.execute(delete(DeliveryTask).where(DeliveryTask.execution_id == execution_id))
        session.execute(delete(Artifact).where(Artifact.execution_id == execution_id))
        session.execute(delete(Execution).where(Execution.id == execution_id))
    for key in keys:
        store.delete(key)
