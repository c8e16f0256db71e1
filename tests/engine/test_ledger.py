"""The ledger of deliveries, on every database: attempts before sending, one holder, and an end for every execution."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from execution_engine.ledger import AttemptClaim, DeliveryLedger, Outcome
from shared.clock import ManualClock
from shared.db.models import Delivery, DeliveryAttempt, DeliveryTask, Execution
from tests.engine.hub import Desk

LEASE = timedelta(seconds=60)
OK = Outcome("DELIVERED", "250 thank you")
REFUSED = Outcome("REFUSED", "550 no such user", "DELIVERY_REFUSED")
LATER = Outcome("WAITING", "451 later", "DELIVERY_UNAVAILABLE", delay=timedelta(seconds=30))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 11, 24, 12, tzinfo=UTC))


def _ledger(desk: Desk, clock: ManualClock, owner: str = "engine:one") -> DeliveryLedger:
    return DeliveryLedger(desk.database, clock, owner, LEASE)


def _completed(desk: Desk, clock: ManualClock, recipients: int = 1, delivery: Delivery | None = None) -> str:
    """A completed execution with a task for each recipient."""
    report = desk.scripted()
    delivery = delivery or desk.delivery(report)
    execution_id = desk.enqueue(report, status="COMPLETED")
    with desk.database.transaction() as session:
        session.get_one(Execution, execution_id).delivery_status = "PENDING"
        for number in range(recipients):
            task = DeliveryTask(tenant_id=1, execution_id=execution_id, delivery_id=delivery.id, method="flaky_mail")
            task.recipient, task.recipient_kind, task.artifact_set = f"r{number}@example.com", "to", "csv"
            task.status, task.attempts_allowed = "PENDING", 3
            task.next_attempt_at = task.created_at = clock.now()
            session.add(task)
    return execution_id


def test_the_attempt_is_written_before_anything_is_sent(any_desk: Desk, clock: ManualClock) -> None:
    execution_id = _completed(any_desk, clock)
    (claim,) = _ledger(any_desk, clock).claim(5)
    (attempt,) = any_desk.attempts(execution_id)
    assert (attempt.number, attempt.status, attempt.finished_at) == (1, "SENDING", None)
    assert claim.number == 1
    assert any_desk.execution(execution_id).delivery_status == "DELIVERING"


def test_two_engines_never_make_the_same_attempt(any_desk: Desk, clock: ManualClock) -> None:
    ids = [_completed(any_desk, clock, recipients=25) for _ in range(8)]
    barrier = threading.Barrier(4)

    def work(number: int) -> list[int]:
        ledger, mine = _ledger(any_desk, clock, f"engine:{number}"), []
        barrier.wait()
        empty = 0
        while empty < 5:
            claims = ledger.claim(4)
            empty = 0 if claims else empty + 1
            mine += [claim.task_id for claim in claims]
            for claim in claims:
                assert ledger.record(claim, OK)
        return mine

    with ThreadPoolExecutor(4) as threads:
        counts = Counter(task_id for share in threads.map(work, range(4)) for task_id in share)
    assert len(counts) == 200
    assert set(counts.values()) == {1}
    assert {any_desk.execution(execution_id).delivery_status for execution_id in ids} == {"DELIVERED"}
    assert any_desk.count(DeliveryAttempt, DeliveryAttempt.status == "DELIVERED") == 200


def test_two_last_tasks_that_end_together_close_the_execution(any_desk: Desk, clock: ManualClock) -> None:
    ids = [_completed(any_desk, clock, recipients=2) for _ in range(40)]
    ledger = _ledger(any_desk, clock)
    pairs: dict[str, list[AttemptClaim]] = {}
    while claims := ledger.claim(20):
        for claim in claims:
            pairs.setdefault(claim.execution_id, []).append(claim)
    barrier = threading.Barrier(2)

    def end(position: int) -> None:
        for execution_id in ids:
            barrier.wait()
            ledger.record(pairs[execution_id][position], OK if position else REFUSED)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(end, range(2)))
    assert {any_desk.execution(execution_id).delivery_status for execution_id in ids} == {"PARTIAL"}


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([OK, OK], "DELIVERED"),
        ([OK, REFUSED], "PARTIAL"),
        ([REFUSED, Outcome("DEAD", "")], "FAILED"),
        ([OK, Outcome("UNKNOWN", "")], "PARTIAL"),
        ([Outcome("UNKNOWN", "")], "FAILED"),
        ([OK, LATER], "DELIVERING"),
    ],
)
def test_the_execution_tells_what_became_of_its_deliveries(
    desk: Desk, clock: ManualClock, outcomes: list[Outcome], expected: str
) -> None:
    execution_id = _completed(desk, clock, recipients=len(outcomes))
    ledger = _ledger(desk, clock)
    for claim, outcome in zip(ledger.claim(9), outcomes, strict=True):
        ledger.record(claim, outcome)
    assert desk.execution(execution_id).delivery_status == expected


def test_a_failed_attempt_waits_for_its_time(any_desk: Desk, clock: ManualClock) -> None:
    execution_id = _completed(any_desk, clock)
    ledger = _ledger(any_desk, clock)
    (claim,) = ledger.claim(1)
    ledger.record(claim, LATER)
    clock.advance(timedelta(seconds=29))
    assert ledger.claim(1) == []
    clock.advance(timedelta(seconds=2))
    (again,) = ledger.claim(1)
    assert (again.number, again.fence) == (2, 2)
    assert [a.status for a in any_desk.attempts(execution_id)] == ["FAILED", "SENDING"]


def test_an_interrupted_attempt_is_unknown_and_made_again(any_desk: Desk, clock: ManualClock) -> None:
    execution_id = _completed(any_desk, clock)
    _ledger(any_desk, clock, "engine:dead").claim(1)
    clock.advance(LEASE + timedelta(seconds=1))
    (again,) = _ledger(any_desk, clock, "engine:two").claim(1)
    assert again.number == 2
    first, second = any_desk.attempts(execution_id)
    assert (first.status, first.error_code) == ("UNKNOWN", "INTERRUPTED")
    assert (second.status, second.worker) == ("SENDING", "engine:two")


def test_an_interrupted_attempt_waits_for_a_person_when_the_delivery_says_so(
    any_desk: Desk, clock: ManualClock
) -> None:
    delivery = any_desk.delivery(any_desk.scripted(), on_unknown="ask")
    execution_id = _completed(any_desk, clock, recipients=2, delivery=delivery)
    _ledger(any_desk, clock, "engine:dead").claim(2)
    clock.advance(LEASE * 2)
    assert _ledger(any_desk, clock, "engine:two").claim(1) == []
    assert {task.status for task in any_desk.tasks(execution_id)} == {"UNKNOWN"}
    assert any_desk.execution(execution_id).delivery_status == "FAILED"


def test_a_task_that_kills_its_engine_each_time_ends(any_desk: Desk, clock: ManualClock) -> None:
    execution_id = _completed(any_desk, clock)
    ledger = _ledger(any_desk, clock)
    for _ in range(8):
        assert len(ledger.claim(1)) == 1
        clock.advance(LEASE * 2)
    assert ledger.claim(1) == []
    assert any_desk.tasks(execution_id)[0].status == "DEAD"
    assert any_desk.execution(execution_id).delivery_status == "FAILED"


def test_who_comes_too_late_changes_only_the_attempt(any_desk: Desk, clock: ManualClock) -> None:
    execution_id = _completed(any_desk, clock)
    old, new = _ledger(any_desk, clock, "engine:old"), _ledger(any_desk, clock, "engine:new")
    (first,) = old.claim(1)
    clock.advance(LEASE * 2)
    (second,) = new.claim(1)
    assert old.record(first, OK) is False
    assert any_desk.tasks(execution_id)[0].status == "SENDING"
    assert [a.status for a in any_desk.attempts(execution_id)] == ["DELIVERED", "SENDING"]
    assert new.record(second, OK) is True


def test_a_restarted_engine_with_the_same_name_does_not_inherit_the_attempt(any_desk: Desk, clock: ManualClock) -> None:
    _completed(any_desk, clock)
    (first,) = _ledger(any_desk, clock, "engine:host:7").claim(1)
    clock.advance(LEASE * 2)
    again = _ledger(any_desk, clock, "engine:host:7")
    (second,) = again.claim(1)
    assert again.record(first, OK) is False
    assert again.record(second, OK) is True


def test_a_renewed_attempt_is_not_interrupted(any_desk: Desk, clock: ManualClock) -> None:
    _completed(any_desk, clock)
    ledger = _ledger(any_desk, clock)
    claims = ledger.claim(1)
    for _ in range(4):
        clock.advance(LEASE * 0.9)
        ledger.renew(claims)
        assert _ledger(any_desk, clock, "engine:two").claim(1) == []


def test_interrupted_and_recorded_together_neither_deadlock_nor_stay_open(any_desk: Desk, clock: ManualClock) -> None:
    ids = [_completed(any_desk, clock, recipients=4) for _ in range(10)]
    slow, fast = _ledger(any_desk, clock, "engine:slow"), _ledger(any_desk, clock, "engine:fast")
    claims: list[AttemptClaim] = []
    while found := slow.claim(20):
        claims += found
    clock.advance(LEASE * 2)

    def record_late() -> None:
        for claim in claims:
            slow.record(claim, OK)

    def take_over() -> None:
        while any_desk.count(DeliveryTask, DeliveryTask.status.in_(("SENDING", "WAITING", "PENDING"))):
            for claim in fast.claim(3):
                fast.record(claim, OK)

    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(record_late), threads.submit(take_over)]:
            done.result(60)
    assert {any_desk.execution(execution_id).delivery_status for execution_id in ids} == {"DELIVERED"}


def test_a_stopped_attempt_costs_none_of_those_allowed(desk: Desk, clock: ManualClock) -> None:
    execution_id = _completed(desk, clock)
    ledger = _ledger(desk, clock)
    (claim,) = ledger.claim(1)
    ledger.record(claim, Outcome("WAITING", "stopped", "CANCELLED", delay=timedelta(0), is_counted=False))
    (task,) = desk.tasks(execution_id)
    assert task.attempts_allowed - task.attempt == 3
