"""Whatever happens in whatever order: no attempt twice, no task lost, and the execution tells the truth."""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from hypothesis.strategies import data, integers, sampled_from
from sqlalchemy import select

from execution_engine.ledger import AttemptClaim, DeliveryLedger, Outcome
from shared.clock import ManualClock
from shared.db.database import Database
from shared.db.models import DeliveryAttempt, DeliveryTask, Execution
from tests.engine.hub import Desk
from tests.engine.test_ledger import LEASE, _completed

_OPEN = ("PENDING", "SENDING", "WAITING")
_OUTCOMES = {
    "DELIVERED": Outcome("DELIVERED", "ok"),
    "REFUSED": Outcome("REFUSED", "no"),
    "DEAD": Outcome("DEAD", "too often"),
    "UNKNOWN": Outcome("UNKNOWN", "?", attempt_status="UNKNOWN"),
    "WAITING": Outcome("WAITING", "later", delay=timedelta(seconds=20)),
}


class LedgerMachine(RuleBasedStateMachine):
    """The model: the status that each task must have, and who holds it with which fence."""

    migrated: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="ledger-"))
        shutil.copy(self.migrated, self.folder / "hub.sqlite")
        self.desk = Desk(Database(f"sqlite:///{self.folder / 'hub.sqlite'}"), self.folder)
        self.clock = ManualClock(datetime(2026, 11, 24, tzinfo=UTC))
        self.ledgers = [DeliveryLedger(self.desk.database, self.clock, f"engine:{n}", LEASE) for n in range(2)]
        self.claims: list[tuple[int, AttemptClaim]] = []
        self.until: dict[int, datetime] = {}
        self.status: dict[int, str] = {}
        self.fence: dict[int, int] = {}
        self.made: set[tuple[int, int]] = set()

    def teardown(self) -> None:
        self.desk.database.close()
        shutil.rmtree(self.folder)

    @initialize(recipients=integers(1, 3))
    def plan(self, recipients: int) -> None:
        self.execution_id = _completed(self.desk, self.clock, recipients)
        self.status = {task.id: "PENDING" for task in self.desk.tasks(self.execution_id)}
        self.fence = dict.fromkeys(self.status, 0)

    @rule(engine=integers(0, 1), limit=integers(1, 3))
    def claim(self, engine: int, limit: int) -> None:
        lost = {t for t, until in self.until.items() if self.status[t] == "SENDING" and until < self.clock.now()}
        for claim in self.ledgers[engine].claim(limit):
            assert self.status[claim.task_id] in ("PENDING", "WAITING") or claim.task_id in lost
            assert claim.fence == self.fence[claim.task_id] + 1
            assert (claim.task_id, claim.number) not in self.made
            self.made.add((claim.task_id, claim.number))
            self.claims.append((engine, claim))
            self.status[claim.task_id], self.fence[claim.task_id] = "SENDING", claim.fence
            self.until[claim.task_id] = self.clock.now() + LEASE
            lost.discard(claim.task_id)
        for task in self.desk.tasks(self.execution_id):
            if task.id in lost:  # interrupted, but not begun again by this call
                assert task.status in ("WAITING", "SENDING", "DEAD")
                self.status[task.id] = task.status

    @precondition(lambda self: self.claims)
    @rule(pick=data(), word=sampled_from(sorted(_OUTCOMES)))
    def record(self, pick: object, word: str) -> None:
        engine, claim = pick.draw(sampled_from(self.claims))  # type: ignore[attr-defined]
        is_holder = self.status[claim.task_id] == "SENDING" and self.fence[claim.task_id] == claim.fence
        assert self.ledgers[engine].record(claim, _OUTCOMES[word]) is is_holder
        if is_holder:
            self.status[claim.task_id] = word

    @precondition(lambda self: self.claims)
    @rule(engine=integers(0, 1))
    def renew(self, engine: int) -> None:
        mine = [claim for owner, claim in self.claims if owner == engine]
        self.ledgers[engine].renew(mine)
        for claim in mine:
            if self.status[claim.task_id] == "SENDING" and self.fence[claim.task_id] == claim.fence:
                self.until[claim.task_id] = self.clock.now() + LEASE

    @rule(seconds=sampled_from([25, 70, 70]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    @invariant()
    def the_database_agrees(self) -> None:
        if not self.status:
            return
        with self.desk.database.reading() as session:
            tasks = {task.id: task for task in session.scalars(select(DeliveryTask))}
            assert {task_id: task.status for task_id, task in tasks.items()} == self.status
            assert {task_id: task.fence for task_id, task in tasks.items()} == self.fence
            attempts = session.scalars(select(DeliveryAttempt)).all()
            assert {(attempt.task_id, attempt.number) for attempt in attempts} == self.made
            for task in tasks.values():
                assert (task.next_attempt_at is not None) == (task.status in ("PENDING", "WAITING"))
                assert (task.lease_owner is not None) == (task.status == "SENDING")
                assert (task.completed_at is not None) == (task.status not in _OPEN)
            said = session.get_one(Execution, self.execution_id).delivery_status
        assert said == _expected(set(self.status.values()), bool(self.made))


def _expected(statuses: set[str], is_begun: bool) -> str:
    if statuses & set(_OPEN):
        return "DELIVERING" if is_begun else "PENDING"
    if statuses == {"DELIVERED"}:
        return "DELIVERED"
    return "PARTIAL" if "DELIVERED" in statuses else "FAILED"


def test_the_ledger_keeps_its_books_in_any_order(migrated_file: Path) -> None:
    LedgerMachine.migrated = migrated_file
    checked = settings(max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(LedgerMachine, settings=checked)
