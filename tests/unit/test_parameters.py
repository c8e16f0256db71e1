"""Parameters become typed values, relative expressions count from the logical time in the schedule's zone."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from shared.errors import InvalidInput
from shared.parameters import ParameterSpec, check_specs, resolve_parameters

WEDNESDAY = datetime(2026, 3, 18, 22, 30, tzinfo=UTC)


def resolved(kind: str, value: Any, zone: str = "UTC", moment: datetime = WEDNESDAY, **spec: Any) -> Any:
    specs = [ParameterSpec(name="p", type=kind, **spec)]  # type: ignore[arg-type]
    return resolve_parameters(specs, {} if value is None else {"p": value}, moment, zone)["p"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("today", date(2026, 3, 18)),
        ("yesterday", date(2026, 3, 17)),
        ("tomorrow", date(2026, 3, 19)),
        ("today-7d", date(2026, 3, 11)),
        ("today - 1w", date(2026, 3, 11)),
        ("today+1mo", date(2026, 4, 18)),
        ("start_of_week", date(2026, 3, 16)),
        ("start_of_week-1", date(2026, 3, 9)),
        ("end_of_week", date(2026, 3, 22)),
        ("start_of_month", date(2026, 3, 1)),
        ("start_of_month-1", date(2026, 2, 1)),
        ("end_of_month-1", date(2026, 2, 28)),
        ("end_of_month", date(2026, 3, 31)),
        ("start_of_month-1+9d", date(2026, 2, 10)),
        ("start_of_quarter", date(2026, 1, 1)),
        ("end_of_quarter-1", date(2025, 12, 31)),
        ("start_of_year", date(2026, 1, 1)),
        ("end_of_year", date(2026, 12, 31)),
        ("last_business_day", date(2026, 3, 17)),
        ("first_business_day", date(2026, 3, 2)),
        ("2026-02-28", date(2026, 2, 28)),
        ("2026-02", date(2026, 2, 1)),
    ],
)
def test_dates_may_be_relative_to_the_logical_time(expression: str, expected: date) -> None:
    assert resolved("date", expression) == expected


def test_today_is_the_day_in_the_zone_of_the_schedule() -> None:
    assert resolved("date", "today", "Asia/Tokyo") == date(2026, 3, 19)


def test_last_business_day_on_a_monday_is_friday() -> None:
    assert resolved("date", "last_business_day", moment=datetime(2026, 3, 16, tzinfo=UTC)) == date(2026, 3, 13)


def test_a_month_later_than_the_last_of_january_is_the_last_of_february() -> None:
    assert resolved("date", "today+1mo", moment=datetime(2026, 1, 31, tzinfo=UTC)) == date(2026, 2, 28)


def test_hours_are_elapsed_time_across_a_clock_change() -> None:
    moment = datetime(2026, 3, 29, 3, 0, tzinfo=UTC)  # 05:00 in Berlin, the clock went forward at 02:00
    assert resolved("datetime", "now-4h", "Europe/Berlin", moment) == datetime(2026, 3, 28, 23, 0, tzinfo=UTC)


def test_a_time_without_offset_is_wall_time_in_the_zone() -> None:
    assert resolved("datetime", "2026-07-01T08:00", "Europe/Berlin") == datetime(2026, 7, 1, 6, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("string", "x", "x"),
        ("integer", "12", 12),
        ("integer", -5, -5),
        ("number", "1.5", 1.5),
        ("decimal", "0.10", Decimal("0.10")),
        ("decimal", 0.1, Decimal("0.1")),
        ("boolean", "true", True),
        ("boolean", False, False),
        ("list", "a, b", ["a", "b"]),
        ("list", '["a", "b,c"]', ["a", "b,c"]),
    ],
)
def test_texts_of_a_command_line_are_read_by_type(kind: str, value: Any, expected: Any) -> None:
    assert resolved(kind, value) == expected


def test_items_of_a_list_have_their_own_type() -> None:
    assert resolved("list", ["1", 2], item_type="integer") == [1, 2]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("integer", True),
        ("integer", 1.5),
        ("integer", "1e3"),
        ("integer", 2**63),
        ("number", "NaN"),
        ("number", True),
        ("decimal", "Infinity"),
        ("boolean", "maybe"),
        ("boolean", 1),
        ("date", "2026-02-30"),
        ("date", "31.01.2026"),
        ("date", "today-99999y"),
        ("datetime", "soon"),
        ("string", 5),
        ("string", "a\x00b"),
        ("list", {"a": 1}),
    ],
)
def test_values_of_another_type_are_refused_without_repeating_them(kind: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        resolved(kind, value)
    assert refused.value.details[0].field == "parameters.p"
    assert str(value) not in refused.value.message


def test_all_problems_are_named_at_once() -> None:
    specs = [ParameterSpec(name="day", type="date", required=True), ParameterSpec(name="count", type="integer")]
    with pytest.raises(InvalidInput) as refused:
        resolve_parameters(specs, {"count": "x", "dya": "today"}, WEDNESDAY, "UTC")
    assert {problem.field for problem in refused.value.details} == {
        "parameters.day",
        "parameters.count",
        "parameters.dya",
    }
    assert "did you mean day" in refused.value.details[0].message


def test_an_optional_parameter_without_a_value_is_null() -> None:
    assert resolved("date", None) is None


def test_a_default_may_be_relative() -> None:
    assert resolved("date", None, default="yesterday") == date(2026, 3, 17)


def test_names_used_twice_and_defaults_of_another_type_are_refused() -> None:
    specs = [ParameterSpec(name="a", type="integer", default="x"), ParameterSpec(name="a")]
    with pytest.raises(InvalidInput) as refused:
        check_specs(specs)
    assert [problem.field for problem in refused.value.details] == ["parameters.0.default", "parameters.1.name"]
