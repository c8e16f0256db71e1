"""The tick: each due slot becomes one row, and the schedule moves on in the same transaction."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import literal_column, select, text

from scheduler.slots import BATCH, SlotMaker, is_waiting
from shared.clock import ManualClock
from shared.db.database import Database
from shared.db.executions import new_execution
from shared.db.models import Execution, Report, Schedule
from shared.errors import ServiceUnavailable
from tests.scheduler.desk import (
    SEVEN,
    add_report,
    add_schedule,
    add_schedules,
    at,
    audit,
    change,
    executions,
    fire_all,
    minutes,
    schedule_of,
    slots,
)

DAY = timedelta(days=1)


def test_a_due_slot_becomes_one_row_and_the_schedule_moves_on(hub_database: Database) -> None:
    fields = {"parameters": {"day": "yesterday"}, "formats": ["pdf"], "delivery_ids": [4], "timezone": "Europe/Berlin"}
    one = add_schedule(hub_database, add_report(hub_database), cron_expression="0 8 * * *", **fields)
    (fired,) = at(hub_database, SEVEN + timedelta(milliseconds=300))
    (row,) = executions(hub_database)
    assert (fired.execution_ids, fired.missed_count) == ([row.id], 0)
    assert (row.status, row.trigger, row.scheduled_for) == ("QUEUED", "schedule", SEVEN)
    assert (row.schedule_id, row.report_name, row.max_attempts) == (one, "Sales", 3)
    assert row.request == {
        "parameters": {"day": "yesterday"}, "formats": ["pdf"], "deliver": True, "delivery_ids": [4],
        "timezone": "Europe/Berlin",
    }  # fmt: skip
    after = schedule_of(hub_database, one)
    assert (after.last_run_at, after.next_run_at, after.run_count) == (SEVEN, SEVEN + DAY, 1)
    assert after.version == 1
    assert audit(hub_database, "schedule.fired") == [
        {"object_id": str(one), "actor": "scheduler:test", "scheduled_for": SEVEN.isoformat(), "executions": 1}
    ]


def test_what_is_not_due_does_not_fire(hub_database: Database) -> None:
    report = add_report(hub_database)
    add_schedule(hub_database, report, next_run_at=SEVEN + timedelta(microseconds=1))
    add_schedule(hub_database, report, next_run_at=None)
    add_schedule(hub_database, report, is_active=False)
    (fired,) = at(hub_database, SEVEN)
    assert (fired.execution_ids, fired.schedule_count, fired.has_more) == ([], 0, False)


def test_missed_slots_are_rows_with_their_reason(hub_database: Database) -> None:
    one = add_schedule(hub_database, add_report(hub_database), cron_expression="0 * * * *")
    (fired,) = at(hub_database, SEVEN + timedelta(hours=2, minutes=20))
    assert (len(fired.execution_ids), fired.missed_count) == (1, 2)
    assert slots(hub_database, one) == [SEVEN + timedelta(hours=2)]
    assert slots(hub_database, one, "SKIPPED") == [SEVEN, SEVEN + timedelta(hours=1)]
    skipped = executions(hub_database, one)[0]
    assert skipped.error is not None
    assert (skipped.error["code"], skipped.completed_at) == ("MISSED", SEVEN + timedelta(hours=2, minutes=20))
    after = schedule_of(hub_database, one)
    assert (after.run_count, after.last_run_at) == (1, SEVEN + timedelta(hours=2))


def test_a_long_outage_of_many_schedules_is_caught_up_in_bounded_transactions(sqlite_hub: Database) -> None:
    report = add_report(sqlite_hub)
    add_schedules(sqlite_hub, report, 45, cron_expression="* * * * *")
    fired = at(sqlite_hub, SEVEN + DAY)
    assert max(len(one.execution_ids) + one.missed_count for one in fired) < 2200
    assert sum(one.schedule_count for one in fired) == 45
    rows = executions(sqlite_hub)
    assert len(rows) == 45 * 106
    assert sum(row.status == "QUEUED" for row in rows) == 45 * 6


def test_a_report_that_is_switched_off_leaves_a_row_that_says_so(hub_database: Database) -> None:
    one = add_schedule(hub_database, add_report(hub_database, is_active=False))
    (fired,) = at(hub_database, SEVEN)
    (row,) = executions(hub_database)
    assert (fired.execution_ids, fired.missed_count, row.status) == ([], 1, "SKIPPED")
    assert row.error is not None
    assert row.error["message"] == "Skipped: the report Sales was switched off."
    after = schedule_of(hub_database, one)
    assert (after.run_count, after.last_run_at, after.next_run_at) == (0, None, SEVEN + DAY)


def test_a_schedule_ends(hub_database: Database) -> None:
    one = add_schedule(hub_database, add_report(hub_database), end_at=SEVEN + DAY)
    at(hub_database, SEVEN)
    at(hub_database, SEVEN + DAY)
    assert schedule_of(hub_database, one).next_run_at is None
    at(hub_database, SEVEN + DAY * 2)
    assert slots(hub_database, one) == [SEVEN, SEVEN + DAY]


def test_a_broken_schedule_hides_no_good_one(hub_database: Database) -> None:
    report = add_report(hub_database)
    broken = add_schedule(hub_database, report, cron_expression="no cron at all", next_run_at=SEVEN - minutes(1))
    moved = add_schedule(hub_database, report, timezone="Mars/Olympus")
    good = add_schedule(hub_database, report)
    at(hub_database, SEVEN)
    assert [len(slots(hub_database, one)) for one in (broken, moved, good)] == [1, 1, 1]
    assert [schedule_of(hub_database, one).next_run_at for one in (broken, moved, good)] == [None, None, SEVEN + DAY]
    reasons = {entry["object_id"]: entry.get("broken") for entry in audit(hub_database, "schedule.fired")}
    assert "five fields" in str(reasons[str(broken)])
    assert reasons[str(good)] is None


def test_jitter_spreads_and_is_the_same_for_everybody(sqlite_hub: Database) -> None:
    report = add_report(sqlite_hub)
    add_schedules(sqlite_hub, report, 50, jitter_seconds=600)
    at(sqlite_hub, SEVEN + timedelta(seconds=1))
    first = {row.schedule_id: row.available_at for row in executions(sqlite_hub)}
    assert all(SEVEN <= moment <= SEVEN + minutes(10) + timedelta(seconds=1) for moment in first.values())
    assert len(set(first.values())) > 25
    assert {row.scheduled_for for row in executions(sqlite_hub)} == {SEVEN}
    with sqlite_hub.transaction() as session:
        for row in session.scalars(select(Execution)):
            session.delete(row)
    for schedule_id in first:
        assert schedule_id is not None
        change(sqlite_hub, schedule_id, next_run_at=SEVEN)
    at(sqlite_hub, SEVEN + timedelta(seconds=1), actor="another")
    assert {row.schedule_id: row.available_at for row in executions(sqlite_hub)} == first


def test_a_slot_that_has_its_row_already_is_harmless(hub_database: Database) -> None:
    report = add_report(hub_database)
    known = add_schedule(hub_database, report)
    other = add_schedule(hub_database, report)
    with hub_database.transaction() as session:
        by_hand = new_execution(
            session.get_one(Report, report), trigger="backfill", scheduled_for=SEVEN, now=SEVEN, schedule_id=known
        )
        session.add(by_hand)
    fired = at(hub_database, SEVEN)
    assert [row.trigger for row in executions(hub_database, known)] == ["backfill"]
    assert [row.id for row in executions(hub_database, other)] == fired[0].execution_ids
    counts = [
        (schedule_of(hub_database, one).run_count, schedule_of(hub_database, one).next_run_at) for one in (known, other)
    ]
    assert counts == [(0, SEVEN + DAY), (1, SEVEN + DAY)]


def test_a_clock_that_jumps_back_repeats_nothing_and_one_that_jumps_ahead_loses_nothing(hub_database: Database) -> None:
    one = add_schedule(
        hub_database, add_report(hub_database), cron_expression="*/15 * * * *", misfire_policy="fire_all"
    )
    clock = ManualClock(SEVEN)
    maker = SlotMaker(hub_database, clock, "scheduler:test", 3)
    for minute in (0, 15, 30, 16, 31, 46, 20, 180, 170, 196):
        clock.set(SEVEN + minutes(minute))
        fire_all(maker)
    assert slots(hub_database, one) == [SEVEN + minutes(15 * number) for number in range(14)]
    assert schedule_of(hub_database, one).run_count == 14


def test_a_next_time_that_was_set_back_by_hand_fires_no_slot_twice(hub_database: Database) -> None:
    one = add_schedule(
        hub_database, add_report(hub_database), cron_expression="*/15 * * * *", misfire_policy="fire_all"
    )
    at(hub_database, SEVEN + minutes(30))
    change(hub_database, one, next_run_at=SEVEN)
    at(hub_database, SEVEN + minutes(45))
    assert slots(hub_database, one) == [SEVEN + minutes(15 * number) for number in range(4)]
    assert schedule_of(hub_database, one).run_count == 4


def test_all_tenants_fire_and_keep_their_rows(hub_database: Database) -> None:
    for tenant_id in (1, 2):
        add_schedule(hub_database, add_report(hub_database, tenant_id, name=f"r{tenant_id}"), tenant_id=tenant_id)
    at(hub_database, SEVEN)
    assert sorted((row.tenant_id, row.report_name) for row in executions(hub_database)) == [(1, "r1"), (2, "r2")]


def test_more_than_a_batch_fires_in_one_go(hub_database: Database) -> None:
    add_schedules(hub_database, add_report(hub_database), BATCH + 30)
    fired = at(hub_database, SEVEN)
    assert [one.schedule_count for one in fired] == [BATCH, 30]
    assert len(executions(hub_database)) == BATCH + 30


def test_a_database_without_tables_fails_with_a_sentence(empty_url: str) -> None:
    database = Database(empty_url)
    if database.dialect == "sqlite":
        pytest.skip("the folder is made by the migration")
    with pytest.raises(ServiceUnavailable, match="schema"):
        at(database, SEVEN)
    database.close()


def explained(database: Database, statement: Any) -> str:
    prefix = "EXPLAIN QUERY PLAN " if database.dialect == "sqlite" else "EXPLAIN "
    compiled = statement.compile(database.engine, compile_kwargs={"literal_binds": True})
    with database.engine.connect() as connection:
        return " ".join(
            str(tuple(row)) for row in connection.exec_driver_sql(prefix + str(compiled).replace("%", "%%"))
        )


def test_the_tick_reads_the_index_and_not_the_table(hub_database: Database) -> None:
    report = add_report(hub_database)
    add_schedules(hub_database, report, 2000, next_run_at=SEVEN + DAY)
    add_schedules(hub_database, report, 20)
    with hub_database.transaction() as session:
        session.execute(text("ANALYZE TABLE report_schedules" if hub_database.dialect == "mysql" else "ANALYZE"))
    due = Schedule.next_run_at <= literal_column("'2026-11-24 07:00:00'")
    plan = explained(
        hub_database,
        select(Schedule.id).where(is_waiting(), due).order_by(Schedule.next_run_at, Schedule.id).limit(BATCH),
    )
    assert "ix_report_schedules_due" in plan
    assert "Seq Scan" not in plan
    assert "filesort" not in plan
    if hub_database.dialect == "mysql":
        assert "'range'" in plan
