"""Clocks and ids."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest

from shared.clock import ManualClock, SystemClock
from shared.ids import new_execution_id, request_id_from


def test_the_system_clock_is_aware_and_in_utc() -> None:
    now = SystemClock().now()
    assert now.tzinfo is UTC
    assert abs(now - datetime.now(UTC)) < timedelta(seconds=5)


def test_a_manual_clock_stands_still_until_it_is_moved() -> None:
    clock = ManualClock(datetime(2026, 3, 29, 3, tzinfo=timezone(timedelta(hours=2))))
    assert clock.now() == clock.now() == datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert clock.now().tzinfo is UTC
    assert clock.advance(timedelta(minutes=5)) == datetime(2026, 3, 29, 1, 5, tzinfo=UTC)
    clock.set(datetime(2026, 1, 1, tzinfo=UTC))
    assert clock.now() == datetime(2026, 1, 1, tzinfo=UTC)


def test_execution_ids_are_uuids_of_version_7_that_sort_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for millisecond in (0, 1, 1_000, 10**12, 10**13):
        monkeypatch.setattr("shared.ids.time.time_ns", lambda now=millisecond: now * 1_000_000)
        made.append(new_execution_id())
    assert made == sorted(made)
    assert {(uuid.UUID(one).version, uuid.UUID(one).variant) for one in made} == {(7, uuid.RFC_4122)}


def test_execution_ids_do_not_repeat() -> None:
    assert len({new_execution_id() for _ in range(10_000)}) == 10_000


@pytest.mark.parametrize("header", ["abc-123", "A.b_c", "x" * 128])
def test_a_plain_request_id_is_taken(header: str) -> None:
    assert request_id_from(header) == header


@pytest.mark.parametrize("header", [None, "", "x" * 129, "two words", "line\nbreak", "abc\n", "<script>", "ü"])
def test_any_other_request_id_is_replaced(header: str | None) -> None:
    made = request_id_from(header)
    assert made != header
    assert len(made) == 32
