"""Any number of schedulers: each slot once, whoever is where when."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
from sqlalchemy import select

from scheduler.slots import SlotMaker, is_waiting
from shared.clock import ManualClock
from shared.db.database import Database
from shared.db.models import Schedule
from tests.scheduler.desk import SEVEN, add_report, add_schedules, executions, fire_all, minutes

COUNT = 450


def race(database: Database, clock: ManualClock, schedulers: int) -> list[list[str]]:
    """Let several schedulers loose on the same moment; return the executions that each one made."""
    made: list[list[str]] = [[] for _ in range(schedulers)]
    errors: list[BaseException] = []
    start = threading.Barrier(schedulers, timeout=20)

    def work(number: int) -> None:
        maker = SlotMaker(database, clock, f"scheduler:{number}", 3)
        try:
            start.wait()
            for fired in fire_all(maker):
                made[number] += fired.execution_ids
            for _ in range(3):  # what the others held at the first look
                for fired in fire_all(maker):
                    made[number] += fired.execution_ids
        except BaseException as error:  # noqa: BLE001 - shown by the assertion
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(schedulers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert errors == []
    return made


def test_two_schedulers_fire_each_slot_once(hub_database: Database) -> None:
    report = add_report(hub_database)
    add_schedules(hub_database, report, COUNT, cron_expression="*/5 * * * *", misfire_policy="fire_all")
    clock = ManualClock(SEVEN)
    for round_number in range(3):
        made = race(hub_database, clock, 2)
        assert sum(map(len, made)) == COUNT
        assert len(executions(hub_database)) == COUNT * (round_number + 1)
        clock.advance(minutes(5))
    counts = Counter((row.schedule_id, row.scheduled_for) for row in executions(hub_database))
    assert set(counts.values()) == {1}
    assert {row.scheduled_for for row in executions(hub_database)} == {
        SEVEN + minutes(5 * number) for number in range(3)
    }


def test_a_scheduler_that_hangs_in_a_transaction_holds_up_only_its_own_batch(hub_database: Database) -> None:
    if hub_database.dialect == "sqlite":
        pytest.skip("one writer at a time: the other one waits")
    add_schedules(hub_database, add_report(hub_database), 300)
    with hub_database.transaction() as hanging:
        held = select(Schedule.id).where(is_waiting(), Schedule.next_run_at <= SEVEN)
        held = held.order_by(Schedule.next_run_at, Schedule.id).limit(100)
        assert len(hanging.scalars(held.with_for_update(skip_locked=True)).all()) == 100
        maker = SlotMaker(hub_database, ManualClock(SEVEN), "scheduler:b", 3)
        assert sum(len(fired.execution_ids) for fired in fire_all(maker)) == 200
    assert sum(len(fired.execution_ids) for fired in fire_all(maker)) == 100
