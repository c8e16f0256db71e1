"""A year of ticks with clock changes: every slot that a minute-by-minute search finds, once, and no other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from scheduler.slots import SlotMaker
from shared.clock import ManualClock
from shared.db.database import Database
from tests.scheduler.desk import add_report, add_schedule, fire_all, schedule_of, slots
from tests.unit.brute_cron import brute_slots

START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
EXPRESSIONS = ["30 2 * * *", "0 0 1 * *", "15 1-3 * * 0", "0 9 13 * 5", "*/15 2 25-31 3,10 *", "5 0 * * 1-5"]
ZONES = ["Europe/Berlin", "Australia/Lord_Howe", "America/Santiago"]


@pytest.mark.parametrize("zone", ZONES)
def test_every_slot_of_a_year_fires_once(sqlite_hub: Database, zone: str) -> None:
    report = add_report(sqlite_hub)
    expected = brute_slots(EXPRESSIONS, zone, START, END)
    fields = {"timezone": zone, "misfire_policy": "fire_all"}
    made = {
        text: add_schedule(sqlite_hub, report, cron_expression=text, next_run_at=expected[text][0], **fields)
        for text in EXPRESSIONS
    }
    clock = ManualClock(START)
    maker = SlotMaker(sqlite_hub, clock, "scheduler:test", 3)
    while clock.now() < END:
        clock.advance(timedelta(hours=41))
        clock.set(min(clock.now(), END))
        fire_all(maker)
    for text, schedule_id in made.items():
        assert slots(sqlite_hub, schedule_id) == expected[text], text
        assert schedule_of(sqlite_hub, schedule_id).run_count == len(expected[text])


@pytest.mark.parametrize("day", [datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 10, 24, tzinfo=UTC)])
def test_through_a_clock_change_each_tick_fires_what_people_expect(sqlite_hub: Database, day: datetime) -> None:
    report = add_report(sqlite_hub)
    texts = ["30 2 * * *", "*/15 * * * *", "0 * * * *"]
    until = day + timedelta(days=2)
    expected = brute_slots(texts, "Europe/Berlin", day, until)
    made = {
        text: add_schedule(
            sqlite_hub, report, cron_expression=text, timezone="Europe/Berlin", next_run_at=expected[text][0]
        )
        for text in texts
    }
    clock = ManualClock(day)
    maker = SlotMaker(sqlite_hub, clock, "scheduler:test", 3)
    while clock.now() < until:
        clock.advance(timedelta(minutes=5))
        fire_all(maker)
    for text, schedule_id in made.items():
        assert slots(sqlite_hub, schedule_id) == expected[text], text
    assert len(expected["30 2 * * *"]) == 2
