"""Reads executions for the engine's own routes."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.db.executions import ENDED, UNFINISHED_DELIVERY, story
from shared.db.models import Execution
from shared.errors import NotFound
from shared.executions import ExecutionStory
from shared.web import ServiceContext


class Stories:
    def __init__(self, context: ServiceContext) -> None:
        self._database = context.database

    def story(self, tenant_id: int, execution_id: str) -> ExecutionStory:
        """Raises NotFound."""
        with self._database.scoped(tenant_id) as session:
            return story(session, self._get(session, execution_id))

    def status(self, tenant_id: int, execution_id: str) -> tuple[str, bool]:
        """Status, and whether the deliveries have ended, too."""
        with self._database.scoped(tenant_id) as session:
            execution = self._get(session, execution_id)
        is_over = execution.status in ENDED and execution.delivery_status not in UNFINISHED_DELIVERY
        return execution.status, is_over

    @staticmethod
    def _get(session: Session, execution_id: str) -> Execution:
        execution = session.scalar(select(Execution).where(Execution.id == execution_id))
        if execution is None:
            raise NotFound("There is no execution with this id.")
        return execution
