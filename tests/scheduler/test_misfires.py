"""What becomes of late slots: executed, noted, summed up; none is forgotten and none comes twice."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from scheduler.misfires import AT_ONCE, Verdict, judge
from scheduler.reasons import missed
from shared.db.models import Schedule
from tests.scheduler.desk import SEVEN, minutes, schedule_fields

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PATIENCE = timedelta(seconds=5)


def schedule(cron: str, policy: str, grace: int = 300, **fields: Any) -> Schedule:
    known = {"cron_expression": cron, "misfire_policy": policy, "misfire_grace_seconds": grace, "id": 1}
    return Schedule(**schedule_fields(1, **{**known, **fields}))


def verdict(cron: str, policy: str, late: timedelta, **fields: Any) -> Verdict:
    return judge(schedule(cron, policy, **fields), SEVEN + late, PATIENCE)


def hours(*numbers: int) -> list[datetime]:
    return [SEVEN + HOUR * number for number in numbers]


@pytest.mark.parametrize("policy", ["fire_once", "fire_all", "skip"])
def test_in_time_every_policy_executes(policy: str) -> None:
    found = verdict("0 7 * * *", policy, timedelta(seconds=1))
    assert (found.runs, found.missed, found.following) == ([SEVEN], [], SEVEN + DAY)


@pytest.mark.parametrize(
    ("policy", "runs", "missed_ones"),
    [
        ("fire_once", hours(3), hours(0, 1, 2)),
        ("fire_all", hours(0, 1, 2, 3), []),
        ("skip", [], hours(0, 1, 2, 3)),
    ],
)
def test_after_an_outage_the_policy_decides(policy: str, runs: list[datetime], missed_ones: list[datetime]) -> None:
    found = verdict("0 * * * *", policy, HOUR * 3 + minutes(30))
    assert (found.runs, found.missed) == (runs, missed_ones)
    assert found.following == SEVEN + HOUR * 4


@pytest.mark.parametrize("policy", ["fire_once", "skip"])
def test_what_is_within_the_grace_is_executed_and_older_slots_are_not(policy: str) -> None:
    found = verdict("0 * * * *", policy, HOUR * 3, grace=3600)
    assert (found.runs, found.missed) == (hours(2, 3), hours(0, 1))


@pytest.mark.parametrize(("late", "runs"), [(minutes(5), [SEVEN]), (minutes(5) + timedelta(microseconds=1), [])])
def test_the_grace_ends_to_the_instant(late: timedelta, runs: list[datetime]) -> None:
    assert verdict("0 7 * * *", "skip", late).runs == runs


def test_without_grace_a_tick_is_still_allowed_its_second() -> None:
    assert verdict("0 7 * * *", "skip", timedelta(seconds=1), grace=0).runs == [SEVEN]
    assert verdict("0 7 * * *", "skip", timedelta(seconds=6), grace=0).runs == []


def test_a_long_outage_is_summed_up_and_counted() -> None:
    found = verdict("* * * * *", "fire_once", DAY, grace=0)
    assert found.runs == [SEVEN + DAY]
    assert found.missed == [SEVEN + DAY - minutes(number) for number in range(AT_ONCE, 0, -1)]
    assert found.summed_up + len(found.missed) + 1 == 1441
    assert found.following == SEVEN + DAY + minutes(1)
    reason = missed(schedule("* * * * *", "fire_once"), found, 0)
    assert "1,341 slots from 2026-11-24 07:00 UTC to 2026-11-25 05:20 UTC were missed" in reason["message"]
    assert missed(schedule("* * * * *", "fire_once"), found, 1)["message"].startswith("This slot was missed")


def test_a_year_of_outage_takes_no_time_and_still_finds_the_latest_slot() -> None:
    found = verdict("* * * * *", "fire_once", DAY * 365, grace=0)
    assert found.runs == [SEVEN + DAY * 365]
    assert not found.is_exact
    assert "More than 9,9" in missed(schedule("* * * * *", "fire_once"), found, 0)["message"]


def test_the_latest_slot_is_found_when_the_schedule_was_quiet_lately() -> None:
    # minutely on the first of the month: more slots than are walked through, none in the days before now
    found = verdict(
        "* * 1 * *", "fire_once", timedelta(days=365 + 20), next_run_at=datetime(2026, 1, 1, 0, 0, tzinfo=SEVEN.tzinfo)
    )
    assert found.runs == [datetime(2027, 12, 1, 23, 59, tzinfo=SEVEN.tzinfo)]
    assert found.following == datetime(2028, 1, 1, tzinfo=SEVEN.tzinfo)


@pytest.mark.parametrize(("policy", "grace"), [("fire_all", 0), ("skip", 10**8), ("fire_once", 10**8)])
def test_a_backlog_that_is_to_be_executed_comes_in_portions_oldest_first(policy: str, grace: int) -> None:
    one = schedule("* * * * *", policy, grace)
    now = SEVEN + minutes(250)
    runs: list[datetime] = []
    while one.next_run_at is not None and one.next_run_at <= now:
        found = judge(one, now, PATIENCE)
        assert len(found.runs) <= AT_ONCE
        assert not found.missed
        runs += found.runs
        one.next_run_at = found.following
    assert runs == [SEVEN + minutes(number) for number in range(251)]


def test_nothing_comes_after_the_end() -> None:
    found = verdict("0 * * * *", "fire_all", HOUR * 9, end_at=SEVEN + HOUR * 2)
    assert found.runs == hours(0, 1, 2)
    assert found.following is None


def test_a_late_slot_before_the_end_is_still_executed_after_it() -> None:
    found = verdict("0 * * * *", "fire_once", HOUR * 9, end_at=SEVEN + HOUR * 2)
    assert (found.runs, found.missed, found.following) == (hours(2), hours(0, 1), None)


def test_a_next_time_that_cron_would_not_name_counts_all_the_same() -> None:
    odd = SEVEN + timedelta(minutes=17)
    found = verdict("0 7 * * *", "fire_once", minutes(18), next_run_at=odd)
    assert (found.runs, found.following) == ([odd], SEVEN + DAY)


@pytest.mark.parametrize("fields", [{"cron_expression": "61 * * * *"}, {"timezone": "Mars/Olympus"}])
def test_a_schedule_that_can_no_longer_be_read_fires_what_was_due_and_stops(fields: dict[str, str]) -> None:
    found = judge(
        Schedule(**schedule_fields(1, id=1, misfire_policy="skip", misfire_grace_seconds=0, **fields)), SEVEN, PATIENCE
    )
    assert found.runs == [SEVEN]
    assert found.following is None
    assert found.broken
