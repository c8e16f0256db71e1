"""The queue of executions, on every database: one holder at a time, and what happens when a holder dies."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from execution_engine.claiming import Claim, ExecutionQueue, LeaseLost
from shared.clock import ManualClock
from shared.db.models import AuditEntry, Execution
from shared.errors import SourceUnavailable
from tests.engine.hub import Desk

LEASE = timedelta(seconds=60)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.now(UTC) + timedelta(seconds=5))


def _queue(desk: Desk, clock: ManualClock, owner: str = "engine:one") -> ExecutionQueue:
    return ExecutionQueue(desk.database, clock, owner, LEASE)


def _complete(desk: Desk, queue: ExecutionQueue, claim: Claim) -> None:
    desk.database.run(lambda session: queue.transition(session, claim, "COMPLETED", completed_at=datetime.now(UTC)))


def test_two_engines_never_hold_the_same_execution(any_desk: Desk, clock: ManualClock) -> None:
    report = any_desk.scripted()
    ids = {any_desk.enqueue(report) for _ in range(240)}
    barrier = threading.Barrier(4)

    def work(number: int) -> list[str]:
        queue, mine = _queue(any_desk, clock, f"engine:{number}"), []
        barrier.wait()
        empty = 0
        while empty < 5:
            claims = queue.claim(4)
            empty = 0 if claims else empty + 1
            mine += [claim.execution_id for claim in claims]
            for claim in claims:
                _complete(any_desk, queue, claim)
        return mine

    with ThreadPoolExecutor(4) as threads:
        shares = list(threads.map(work, range(4)))
    counts = Counter(execution_id for share in shares for execution_id in share)
    assert set(counts) == ids
    assert set(counts.values()) == {1}
    assert any_desk.count(Execution, Execution.status == "COMPLETED", Execution.fence == 1) == 240


def test_an_engine_that_claims_does_not_hold_the_rest_of_the_queue(any_desk: Desk, clock: ManualClock) -> None:
    report = any_desk.scripted()
    for _ in range(50):
        any_desk.enqueue(report)
    first, second = _queue(any_desk, clock, "engine:one"), _queue(any_desk, clock, "engine:two")
    if any_desk.database.dialect == "sqlite":
        assert len(first.claim(4)) + len(second.claim(4)) == 8
        return
    with any_desk.database.transaction() as session:
        held = first._claim_in(session, 4, clock.now(), None)
        session.flush()
        others = second.claim(4)
    assert len(held) == len(others) == 4
    assert not {claim.execution_id for claim in held} & {claim.execution_id for claim in others}


def test_an_expired_lease_is_taken_over_with_a_higher_fence(any_desk: Desk, clock: ManualClock) -> None:
    execution_id = any_desk.enqueue(any_desk.scripted())
    old, new = _queue(any_desk, clock, "engine:old"), _queue(any_desk, clock, "engine:new")
    (first,) = old.claim(1)
    clock.advance(LEASE - timedelta(seconds=1))
    assert new.claim(1) == []
    clock.advance(timedelta(seconds=2))
    (second,) = new.claim(1)
    assert (second.execution_id, second.fence, second.attempt) == (execution_id, first.fence + 1, 2)


def test_the_old_holder_writes_nothing_any_more(any_desk: Desk, clock: ManualClock) -> None:
    any_desk.enqueue(any_desk.scripted())
    old, new = _queue(any_desk, clock, "engine:old"), _queue(any_desk, clock, "engine:new")
    (first,) = old.claim(1)
    clock.advance(LEASE * 2)
    (second,) = new.claim(1)
    with pytest.raises(LeaseLost):
        _complete(any_desk, old, first)
    with pytest.raises(LeaseLost):
        old.hand_back(first, delay=timedelta(0), error=None)
    with pytest.raises(LeaseLost):
        old.note_start(first, config_version=99)
    old.note_progress(first, "fetch", 12345)
    assert old.renew([first]) == {first.execution_id}
    assert new.renew([second]) == set()
    row = any_desk.execution(first.execution_id)
    assert (row.status, row.lease_owner, row.config_version) == ("RUNNING", "engine:new", None)
    assert row.progress == {"stage": "starting", "rows": 0}


def test_a_restarted_engine_with_the_same_name_does_not_inherit_the_claim(any_desk: Desk, clock: ManualClock) -> None:
    any_desk.enqueue(any_desk.scripted())
    (first,) = _queue(any_desk, clock, "engine:host:7").claim(1)
    clock.advance(LEASE * 2)
    again = _queue(any_desk, clock, "engine:host:7")
    again.claim(1)
    with pytest.raises(LeaseLost):
        _complete(any_desk, again, first)


def test_a_renewed_lease_is_not_taken_over(any_desk: Desk, clock: ManualClock) -> None:
    any_desk.enqueue(any_desk.scripted())
    queue = _queue(any_desk, clock)
    (claim,) = queue.claim(1)
    for _ in range(5):
        clock.advance(LEASE * 0.9)
        assert queue.renew([claim]) == set()
        assert _queue(any_desk, clock, "engine:two").claim(1) == []


def test_after_so_many_interruptions_it_fails(any_desk: Desk, clock: ManualClock) -> None:
    execution_id = any_desk.enqueue(any_desk.scripted(), max_attempts=2)
    queue = _queue(any_desk, clock)
    for _ in range(2):
        assert len(queue.claim(1)) == 1
        clock.advance(LEASE * 2)
    assert queue.claim(1) == []
    row = any_desk.execution(execution_id)
    assert row.status == "FAILED"
    assert row.error is not None
    assert row.error["code"] == "WORKER_LOST"
    assert "2 times" in row.error["message"]
    assert row.completed_at is not None


@pytest.mark.parametrize("is_running", [False, True])
def test_what_somebody_cancelled_is_not_started_again(any_desk: Desk, clock: ManualClock, is_running: bool) -> None:
    execution_id = any_desk.enqueue(any_desk.scripted())
    queue = _queue(any_desk, clock)
    if is_running:
        queue.claim(1)
        clock.advance(LEASE * 2)
    with any_desk.database.transaction() as session:
        session.execute(update(Execution).values(cancel_requested_at=clock.now()))
    assert queue.claim(1) == []
    assert any_desk.execution(execution_id).status == "CANCELLED"


def test_the_important_goes_first_and_then_the_older(any_desk: Desk, clock: ManualClock) -> None:
    report, now = any_desk.scripted(), clock.now()
    younger = any_desk.enqueue(report, available_at=now - timedelta(seconds=1))
    older = any_desk.enqueue(report, available_at=now - timedelta(seconds=9))
    urgent = any_desk.enqueue(report, available_at=now, priority=5)
    later = any_desk.enqueue(report, available_at=now + timedelta(seconds=1), priority=9)
    claims = _queue(any_desk, clock).claim(9)
    assert [claim.execution_id for claim in claims] == [urgent, older, younger]
    assert any_desk.execution(later).status == "QUEUED"


def test_the_abandoned_goes_before_the_new(any_desk: Desk, clock: ManualClock) -> None:
    report = any_desk.scripted()
    first = any_desk.enqueue(report)
    queue = _queue(any_desk, clock)
    queue.claim(1)
    any_desk.enqueue(report, priority=9)
    clock.advance(LEASE * 2)
    assert [claim.execution_id for claim in queue.claim(1)] == [first]


def test_handing_back_makes_it_wait_and_keeps_the_reason(any_desk: Desk, clock: ManualClock) -> None:
    execution_id = any_desk.enqueue(any_desk.scripted())
    queue = _queue(any_desk, clock)
    (claim,) = queue.claim(1)
    queue.hand_back(claim, delay=timedelta(seconds=30), error=SourceUnavailable("The server is busy."))
    assert queue.claim(1) == []
    row = any_desk.execution(execution_id)
    assert row.error is not None
    assert (row.status, row.attempt, row.error["code"]) == ("QUEUED", 1, "SOURCE_UNAVAILABLE")
    clock.advance(timedelta(seconds=31))
    assert [again.attempt for again in queue.claim(1)] == [2]


def test_an_engine_that_stops_costs_no_attempt(any_desk: Desk, clock: ManualClock) -> None:
    execution_id = any_desk.enqueue(any_desk.scripted())
    queue = _queue(any_desk, clock)
    (claim,) = queue.claim(1)
    queue.hand_back(claim, delay=timedelta(0), error=None, is_counted=False)
    assert any_desk.execution(execution_id).attempt == 0
    (again,) = queue.claim(1)
    assert (again.attempt, again.fence) == (1, 2)


def test_every_transition_has_its_audit_row(any_desk: Desk, clock: ManualClock) -> None:
    execution_id = any_desk.enqueue(any_desk.scripted())
    queue = _queue(any_desk, clock)
    (claim,) = queue.claim(1)
    _complete(any_desk, queue, claim)
    assert any_desk.count(AuditEntry, AuditEntry.object_id == execution_id, AuditEntry.actor == "engine:one") == 2


def _overlapping(desk: Desk, clock: ManualClock, policy: str, count: int = 2) -> list[str]:
    report = desk.scripted()
    schedule = desk.schedule(report, overlap_policy=policy)
    start = clock.now() - timedelta(hours=1)
    moments = [start + timedelta(minutes=minute) for minute in range(count)]
    return [
        desk.enqueue(report, schedule_id=schedule.id, trigger="schedule", scheduled_for=moment) for moment in moments
    ]


def test_the_next_one_is_skipped_with_its_reason(any_desk: Desk, clock: ManualClock) -> None:
    first, second = _overlapping(any_desk, clock, "skip")
    assert [claim.execution_id for claim in _queue(any_desk, clock).claim(2)] == [first]
    row = any_desk.execution(second)
    assert row.error is not None
    assert (row.status, row.error["code"]) == ("SKIPPED", "OVERLAP")


def test_the_next_one_waits_for_its_predecessor(any_desk: Desk, clock: ManualClock) -> None:
    ids = _overlapping(any_desk, clock, "queue", 3)
    queue, order = _queue(any_desk, clock), []
    for _ in range(3):
        (claim,) = queue.claim(3)
        order.append(claim.execution_id)
        clock.advance(timedelta(seconds=2))
        assert queue.claim(3) == []
        _complete(any_desk, queue, claim)
        clock.advance(timedelta(seconds=2))
    assert order == ids


def test_both_may_run(any_desk: Desk, clock: ManualClock) -> None:
    ids = _overlapping(any_desk, clock, "allow")
    assert {claim.execution_id for claim in _queue(any_desk, clock).claim(2)} == set(ids)


def test_those_that_wait_do_not_stand_in_the_way_of_others(any_desk: Desk, clock: ManualClock) -> None:
    _overlapping(any_desk, clock, "queue", 40)
    queue = _queue(any_desk, clock)
    queue.claim(1)
    other = any_desk.enqueue(any_desk.scripted(), available_at=clock.now())
    assert [claim.execution_id for claim in queue.claim(2)] == [other]


def test_engines_on_the_same_schedules_end_all_of_them(any_desk: Desk, clock: ManualClock) -> None:
    for _ in range(4):
        _overlapping(any_desk, clock, "queue", 8)
    clock.advance(timedelta(minutes=1))
    running: set[int] = set()
    lock = threading.Lock()

    def work(number: int) -> None:
        queue = ExecutionQueue(any_desk.database, clock, f"engine:{number}", timedelta(days=1))
        while any_desk.count(Execution, Execution.status.in_(("QUEUED", "RUNNING"))):
            for claim in queue.claim(3):
                schedule_id = any_desk.execution(claim.execution_id).schedule_id or 0
                with lock:
                    assert schedule_id not in running
                    running.add(schedule_id)
                with lock:
                    running.discard(schedule_id)
                _complete(any_desk, queue, claim)
            clock.advance(timedelta(seconds=1))

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(work, range(3)))
    assert any_desk.count(Execution, Execution.status == "COMPLETED") == 32
