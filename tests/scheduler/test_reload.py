"""A reload mends next times that do not fit, answers which, and loses and repeats nothing."""

from __future__ import annotations

import threading
from datetime import timedelta

from scheduler.definitions import Definitions, Reloaded
from scheduler.slots import SlotMaker
from shared.clock import ManualClock
from shared.db.database import Database
from tests.scheduler.desk import (
    SEVEN,
    add_report,
    add_schedule,
    add_schedules,
    at,
    change,
    executions,
    fire_all,
    minutes,
    schedule_of,
    slots,
)

DAY = timedelta(days=1)


def reload(database: Database, late: timedelta = timedelta(0), tenant_id: int | None = 1) -> Reloaded:
    return Definitions(database, ManualClock(SEVEN + late)).reload(tenant_id)


def test_what_fits_is_left_alone(hub_database: Database) -> None:
    report = add_report(hub_database)
    add_schedule(hub_database, report, next_run_at=SEVEN + DAY)
    add_schedule(hub_database, report, next_run_at=None, is_active=False)
    found = reload(hub_database, minutes(1))
    assert (found.active_count, found.changed, found.broken) == (1, [], {})


def test_next_times_that_do_not_fit_are_recomputed_and_named(hub_database: Database) -> None:
    report = add_report(hub_database)
    forgotten = add_schedule(hub_database, report, next_run_at=None)
    other_cron = add_schedule(hub_database, report, next_run_at=SEVEN + DAY, cron_expression="0 9 * * *")
    paused = add_schedule(hub_database, report, next_run_at=SEVEN + DAY, is_active=False)
    ended = add_schedule(hub_database, report, next_run_at=SEVEN + DAY, end_at=SEVEN + minutes(2))
    later = add_schedule(hub_database, report, next_run_at=SEVEN + DAY, start_at=SEVEN + DAY * 10)
    found = reload(hub_database, minutes(1))
    assert sorted(found.changed) == [forgotten, other_cron, paused, ended, later]
    nexts = [schedule_of(hub_database, one).next_run_at for one in (forgotten, other_cron, paused, ended, later)]
    assert nexts == [SEVEN + DAY, SEVEN + timedelta(hours=2), None, None, SEVEN + DAY * 10]
    assert schedule_of(hub_database, forgotten).version == 1
    assert reload(hub_database, minutes(1)).changed == []


def test_a_slot_that_is_due_is_not_lost_by_a_reload(hub_database: Database) -> None:
    one = add_schedule(hub_database, add_report(hub_database))
    assert reload(hub_database, minutes(3)).changed == []
    at(hub_database, SEVEN + minutes(3))
    assert slots(hub_database, one) == [SEVEN]
    assert reload(hub_database, minutes(4)).changed == []
    at(hub_database, SEVEN + minutes(4))
    assert slots(hub_database, one) == [SEVEN]


def test_a_broken_schedule_is_named_and_holds_up_no_other(hub_database: Database) -> None:
    report = add_report(hub_database)
    broken = add_schedule(hub_database, report, timezone="Mars/Olympus", next_run_at=None)
    good = add_schedule(hub_database, report, next_run_at=None)
    found = reload(hub_database)
    assert list(found.broken) == [broken]
    assert "time zone" in found.broken[broken]
    assert found.changed == [good]


def test_a_tenant_reloads_its_own_schedules(hub_database: Database) -> None:
    mine = add_schedule(hub_database, add_report(hub_database), next_run_at=None)
    theirs = add_schedule(hub_database, add_report(hub_database, 2, name="other"), tenant_id=2, next_run_at=None)
    assert reload(hub_database).changed == [mine]
    assert schedule_of(hub_database, theirs).next_run_at is None
    assert reload(hub_database, tenant_id=None).changed == [theirs]


def test_more_than_one_batch_is_reloaded_whole(sqlite_hub: Database) -> None:
    add_schedules(sqlite_hub, add_report(sqlite_hub), 1203, next_run_at=None)
    found = reload(sqlite_hub)
    assert (found.active_count, len(found.changed), len(set(found.changed))) == (1203, 1203, 1203)
    assert reload(sqlite_hub).active_count == 1203


def test_reloading_while_schedules_fire_loses_and_repeats_nothing(hub_database: Database) -> None:
    add_schedules(hub_database, add_report(hub_database), 60, cron_expression="* * * * *", misfire_policy="fire_all")
    clock = ManualClock(SEVEN)
    definitions, maker = Definitions(hub_database, clock), SlotMaker(hub_database, clock, "scheduler:a", 3)
    errors: list[BaseException] = []
    is_over = threading.Event()

    def keep_reloading() -> None:
        try:
            while not is_over.is_set():
                definitions.reload()
        except BaseException as error:  # noqa: BLE001 - shown by the assertion
            errors.append(error)

    thread = threading.Thread(target=keep_reloading)
    thread.start()
    for _ in range(4):
        fire_all(maker)
        clock.advance(minutes(1))
    is_over.set()
    thread.join(60)
    fire_all(maker)
    assert errors == []
    rows = executions(hub_database)
    assert len(rows) == len({(row.schedule_id, row.scheduled_for) for row in rows}) == 60 * 5


def test_an_edit_in_the_middle_of_a_fire_waits_for_it_and_repeats_nothing(hub_database: Database) -> None:
    one = add_schedule(hub_database, add_report(hub_database))
    clock = ManualClock(SEVEN)
    maker = SlotMaker(hub_database, clock, "scheduler:a", 3)
    thread = threading.Thread(target=fire_all, args=(maker,))
    thread.start()
    change(hub_database, one, next_run_at=SEVEN, name="edited")  # as a save whose clock was read before the fire
    thread.join(60)
    fire_all(maker)
    fire_all(maker)
    assert slots(hub_database, one) == [SEVEN]
    after = schedule_of(hub_database, one)
    assert (after.name, after.next_run_at, after.run_count) == ("edited", SEVEN + DAY, 1)
