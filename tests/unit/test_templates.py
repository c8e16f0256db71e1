"""Templates render names and nothing else."""

from __future__ import annotations

import html
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from shared.errors import InvalidInput
from shared.templates import check_template, render, template_context

CORPUS = json.loads((Path(__file__).parents[1] / "corpora" / "templates.json").read_text())
VALUES = {**CORPUS["context"], "date": date(2026, 1, 31)}


@pytest.mark.parametrize("case", CORPUS["cases"], ids=lambda case: case["id"])
def test_the_corpus_is_rendered_or_refused(case: dict[str, Any]) -> None:
    if case["verdict"] == "refuse":
        with pytest.raises(InvalidInput):
            render(case["template"], VALUES)
    else:
        assert render(case["template"], VALUES) == case["output"]


@pytest.mark.parametrize(
    "template", ["{report!r}", "{report:>2000000000}", "{report[0]}", "{report", "}", "{param.}", "{date:%Q}", "{ }"]
)
def test_what_python_formatting_can_do_is_refused(template: str) -> None:
    with pytest.raises(InvalidInput):
        check_template(template, ["report", "date"])


def test_values_are_escaped_and_the_template_is_not() -> None:
    assert render("<b>{report}</b>", VALUES, html.escape) == "<b>Sales &lt;b&gt;</b>"


def test_an_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(InvalidInput) as refused:
        check_template("{reprot}", ["report", "date"])
    assert refused.value.hint == "Did you mean {report}?"


def test_dates_are_those_of_the_schedules_zone() -> None:
    context = template_context(
        report="Sales",
        scheduled_for=datetime(2026, 1, 31, 23, 30, tzinfo=UTC),
        timezone="Europe/Berlin",
        execution_id="x",
        rows=3,
        parameters={"month": "2026-01-01", "regions": ["EU", "US"]},
    )
    assert render("{date}_{time}_{rows}", context) == "2026-02-01_00-30-00_3"
    assert render("{param.month:%Y-%m} {param.regions}", context) == "2026-01 EU, US"


@pytest.mark.parametrize("name", ["report", "time", "rows", "execution_id"])
def test_a_date_format_on_a_text_is_refused_when_it_is_saved(name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_template(f"{{{name}:%Y}}", [name])
    assert refused.value.hint


@pytest.mark.parametrize("template", ["{date:%Y\ud800}", "a\x00{date}"])
def test_characters_that_no_text_can_hold_are_refused(template: str) -> None:
    with pytest.raises(InvalidInput):
        check_template(template, ["date"])


def with_parameters(**parameters: Any) -> dict[str, Any]:
    return template_context(
        report="Sales",
        scheduled_for=datetime(2026, 3, 18, tzinfo=UTC),
        timezone="Europe/Berlin",
        execution_id="x",
        rows=3,
        parameters=parameters,
    )


@pytest.mark.parametrize("since", [datetime(2026, 2, 28, 23, tzinfo=UTC), "2026-02-28T23:00:00+00:00"])
def test_moments_of_parameters_are_in_the_schedules_zone(since: Any) -> None:
    context = with_parameters(since=since)
    assert render("{param.since:%Y-%m} {param.since}", context) == "2026-03 2026-03-01T00:00:00+01:00"


def test_an_optional_parameter_without_a_value_is_empty_even_with_a_format() -> None:
    assert render("[{param.day:%Y}{param.day}]", with_parameters(day=None)) == "[]"


def test_items_of_a_list_are_written_like_single_values() -> None:
    context = with_parameters(flags=[True, False], since=[datetime(2026, 2, 28, 23, tzinfo=UTC)])
    assert render("{param.flags} {param.since}", context) == "true, false 2026-03-01T00:00:00+01:00"


def test_the_limit_of_a_result_counts_bytes() -> None:
    with pytest.raises(InvalidInput):
        render("{report}", {"report": "\U0001f600" * 20_000})
