"""Errors travel between processes whole, and each says what may be done about it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest

from shared import errors
from shared.errors import (
    Conflict,
    DeliveryUnavailable,
    FieldProblem,
    InvalidInput,
    QueryRefused,
    ReportHubError,
    TooManyRequests,
    error_from_dict,
)


def family(base: type[ReportHubError] = ReportHubError) -> Iterator[type[ReportHubError]]:
    for child in base.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
            yield from family(child)


KINDS = sorted(set(family()), key=lambda kind: kind.__name__)


def made(kind: type[ReportHubError]) -> ReportHubError:
    if kind is TooManyRequests:
        return TooManyRequests("Too many.", retry_after=timedelta(seconds=7), hint="Wait.")
    return kind("It did not work.", hint="Do this.")


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_comes_back_as_the_same_kind(kind: type[ReportHubError]) -> None:
    back = error_from_dict(json.loads(json.dumps(made(kind).as_dict())))
    assert type(back) is kind
    assert (back.message, back.hint, back.as_dict()) == (made(kind).message, made(kind).hint, made(kind).as_dict())


def test_what_an_error_carries_comes_back() -> None:
    lost = DeliveryUnavailable("Busy.", retry_after=timedelta(seconds=90))
    refused = QueryRefused("No.", line=3, column=14, details=[FieldProblem("query", "is not read-only")])
    for error, name in ((lost, "retry_after"), (refused, "line"), (refused, "column"), (refused, "details")):
        back = error_from_dict(json.loads(json.dumps(error.as_dict())))
        assert getattr(back, name) == getattr(error, name)


def test_codes_are_unique_and_statuses_are_errors() -> None:
    codes = [kind.code for kind in KINDS]
    assert len(set(codes)) == len(codes)
    assert all(400 <= kind.status < 600 for kind in KINDS)
    assert all(code == code.upper() for code in codes)


def test_an_unknown_code_is_a_plain_error_with_its_sentence() -> None:
    back = error_from_dict({"code": "FROM_THE_FUTURE", "message": "Something new.", "hint": "Upgrade."})
    assert type(back) is ReportHubError
    assert (back.message, back.hint) == ("Something new.", "Upgrade.")
    assert error_from_dict({}).message == ""


def test_what_may_be_tried_again_says_so() -> None:
    assert DeliveryUnavailable.retryable
    assert not InvalidInput.retryable
    assert Conflict("Changed.", current_version=3).current_version == 3
