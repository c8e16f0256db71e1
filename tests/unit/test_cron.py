"""Cron fires when people expect it to: the corpus, and properties over random expressions."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.cron import check_timezone, parse
from shared.errors import InvalidInput
from tests.unit.brute_cron import brute_slots

CORPUS = json.loads((Path(__file__).parents[1] / "corpora" / "cron_cases.json").read_text())


@pytest.mark.parametrize("case", CORPUS["cases"], ids=lambda case: case["id"])
def test_slots_are_those_of_the_corpus(case: dict[str, Any]) -> None:
    start = datetime.fromisoformat(case["start"])
    expected = [datetime.fromisoformat(text) for text in case["expected_next_utc"]]
    assert parse(case["expr"]).upcoming(start, case["tz"], len(expected)) == expected


@pytest.mark.parametrize("case", CORPUS["refuse"], ids=lambda case: repr(case["expr"]))
def test_malformed_expressions_are_refused_with_the_field(case: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(case["expr"])
    assert refused.value.details[0].field == "cron_expression"


@pytest.mark.parametrize("name", CORPUS["refuse_tz"])
def test_unknown_zones_are_refused_with_the_field(name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_timezone(name)
    assert refused.value.details[0].field == "timezone"


def test_a_misspelt_zone_gets_a_suggestion() -> None:
    with pytest.raises(InvalidInput) as refused:
        check_timezone("Europe/Berlim")
    assert refused.value.hint == "Did you mean Europe/Berlin?"


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("0 7 * * *", "Every day at 07:00"),
        ("0 7 1 * *", "At 07:00 on day 1 of the month"),
        ("0 7 * * mon-fri", "At 07:00 on Monday to Friday"),
        ("*/15 * * * *", "Every 15 minutes"),
        ("30 6,18 l 1,7 *", "At 06:30 and 18:30 on the last day of the month in January and July"),
        ("0 9 * * 1#2", "At 09:00 on the second Monday of the month"),
        ("0 9 13 * fri", "At 09:00 on day 13 of the month or on Friday"),
        ("@daily", "Every day at 00:00"),
    ],
)
def test_expressions_are_explained_in_plain_words(expression: str, sentence: str) -> None:
    assert parse(expression).sentence() == sentence


def test_six_fields_get_the_hint_to_drop_the_seconds() -> None:
    with pytest.raises(InvalidInput) as refused:
        parse("0 0 7 * * *")
    assert "seconds" in str(refused.value.hint)


def test_a_step_wider_than_its_field_is_pointed_out() -> None:
    assert parse("*/90 * * * *").lint()


FIELDS = [
    st.sampled_from(["*", "0", "30", "*/7", "5-50/9", "1,2,59"]),
    st.sampled_from(["*", "0", "2", "*/5", "1-4", "23"]),
    st.sampled_from(["*", "1", "13", "l", "15w", "*/2", "28-31", "lw"]),
    st.sampled_from(["*", "1", "2-4", "*/3", "dec"]),
    st.sampled_from(["*", "0", "7", "mon-fri", "1#2", "5l", "sat,sun"]),
]
EXPRESSIONS = st.tuples(*FIELDS).map(" ".join)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])
MOMENTS = st.integers(1_577_836_800, 2_051_222_400).map(lambda second: datetime.fromtimestamp(second, UTC))


@settings(max_examples=200, deadline=None)
@given(EXPRESSIONS, ZONES, MOMENTS)
def test_slots_lie_after_the_start_rise_and_do_not_depend_on_where_one_starts(
    expression: str, zone: str, start: datetime
) -> None:
    cron = parse(expression)
    slots = cron.upcoming(start, zone, 6)
    assert slots == sorted(set(slots))
    assert all(slot > start for slot in slots)
    for earlier, later in itertools.pairwise(slots):
        assert cron.next(earlier, zone) == later
        assert cron.next(later - timedelta(seconds=1), zone) == later


@settings(max_examples=60, deadline=None)
@given(EXPRESSIONS, MOMENTS)
def test_without_clock_changes_slots_are_the_matching_minutes(expression: str, start: datetime) -> None:
    cron = parse(expression)
    until = start + timedelta(days=3)
    minute = start.replace(second=0, microsecond=0) + timedelta(minutes=1)
    expected = []
    while minute <= until:
        if minute.minute in cron.minutes and minute.hour in cron.hours and cron.matches_day(minute.date()):
            expected.append(minute)
        minute += timedelta(minutes=1)
    assert list(cron.between(start, until, "UTC")) == expected


PLAIN_FIELDS = [
    st.sampled_from(["*", "0", "30", "*/15", "*/7", "5-50/9", "1,2,59"]),
    st.sampled_from(["*", "0", "1", "2", "3", "*/5", "1-4", "23", "0,2,3"]),
    st.sampled_from(["*", "1", "13", "*/2", "25-31"]),
    st.sampled_from(["*", "3,4", "9-11", "*/3"]),
    st.sampled_from(["*", "0", "7", "1-5", "0,6", "*/2"]),
]
# Each comes near a change of the clock: one hour, half an hour, at midnight, in the south, and a zone without any.
CHANGES = st.sampled_from(
    [
        ("Europe/Berlin", datetime(2026, 3, 29, tzinfo=UTC)),
        ("Europe/Berlin", datetime(2026, 10, 25, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 3, 8, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 11, 1, tzinfo=UTC)),
        ("Australia/Lord_Howe", datetime(2026, 4, 4, tzinfo=UTC)),
        ("Australia/Lord_Howe", datetime(2026, 10, 3, tzinfo=UTC)),
        ("America/Santiago", datetime(2026, 9, 5, tzinfo=UTC)),
        ("Africa/Cairo", datetime(2026, 4, 23, tzinfo=UTC)),
        ("Asia/Kathmandu", datetime(2026, 2, 27, tzinfo=UTC)),
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.tuples(*PLAIN_FIELDS).map(" ".join), CHANGES, st.integers(-1800, 1800))
def test_slots_around_clock_changes_are_those_of_a_minute_by_minute_search(
    expression: str, change: tuple[str, datetime], shift: int
) -> None:
    zone, day = change
    start = day + timedelta(minutes=shift)
    until = start + timedelta(days=2)
    found = list(parse(expression).between(start, until, zone))
    assert found == brute_slots([expression], zone, start, until)[expression]


def test_the_corpus_is_whole() -> None:
    assert len(CORPUS["cases"]) >= 180
    assert {case["group"] for case in CORPUS["cases"]} >= {"fields", "day_of_week", "dst_gap", "dst_fold"}
    assert len(CORPUS["refuse"]) + len(CORPUS["refuse_tz"]) >= 50


def test_a_daily_schedule_runs_once_on_both_days_of_clock_changes() -> None:
    zone = ZoneInfo("Europe/Berlin")
    for day in (datetime(2026, 3, 29, tzinfo=zone), datetime(2026, 10, 25, tzinfo=zone)):
        slots = list(parse("30 2 * * *").between(day, day + timedelta(days=1), "Europe/Berlin"))
        assert len(slots) == 1
