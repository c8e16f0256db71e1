"""The engine is told at once, and its silence holds up nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import pytest

from scheduler.dispatch import Dispatcher
from shared.auth import ServiceIdentity
from shared.services import EngineClient
from tests.services.databases import free_port
from tests.services.http_receiver import Answer, HttpReceiver

GOOD = Answer(202, {"Content-Type": "application/json"}, b'{"status": "success", "data": []}')
Start = Callable[[str], Dispatcher]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[tuple[Dispatcher, EngineClient]] = []

    def begin(address: str) -> Dispatcher:
        engine = EngineClient(address, ServiceIdentity(b"k" * 32), "scheduler")
        dispatcher = Dispatcher(engine)
        dispatcher.start()
        started.append((dispatcher, engine))
        return dispatcher

    yield begin
    for dispatcher, engine in started:
        dispatcher.stop()
        engine.close()


def told(receiver: HttpReceiver, count: int) -> list[str]:
    deadline = time.monotonic() + 20
    while len(receiver.requests) < count:
        assert receiver.arrived.wait(deadline - time.monotonic()), "nobody was told"
        receiver.arrived.clear()
    return [execution_id for request in receiver.requests for execution_id in json.loads(request.body)["execution_ids"]]


def address(receiver: HttpReceiver) -> str:
    return receiver.url.removesuffix("/hook")


def test_the_engine_is_told_the_ids_with_our_signature(http_receiver: HttpReceiver, start: Start) -> None:
    http_receiver.answers = [GOOD]
    start(address(http_receiver)).nudge(["a", "b"])
    assert told(http_receiver, 1) == ["a", "b"]
    (request,) = http_receiver.requests
    assert (request.method, request.path) == ("POST", "/api/execute")
    assert request.headers["authorization"].startswith("Bearer rhs_")


def test_many_ids_are_told_in_bounded_calls(http_receiver: HttpReceiver, start: Start) -> None:
    http_receiver.answers = [GOOD] * 3
    ids = [str(number) for number in range(2500)]
    start(address(http_receiver)).nudge(ids)
    assert told(http_receiver, 3) == ids
    assert all(len(json.loads(request.body)["execution_ids"]) <= 1000 for request in http_receiver.requests)


@pytest.mark.parametrize(
    "answer", [Answer(500, body=b"<html>oops"), Answer(drop=True), Answer(404, body=b'{"error": "NOT_FOUND"}')]
)
def test_after_a_bad_answer_the_next_ones_are_told(http_receiver: HttpReceiver, start: Start, answer: Answer) -> None:
    http_receiver.answers = [answer, GOOD]
    dispatcher = start(address(http_receiver))
    dispatcher.nudge(["a"])
    told(http_receiver, 1)
    dispatcher.nudge(["b"])
    assert told(http_receiver, 2) == ["a", "b"]


def test_an_engine_that_hangs_or_is_down_holds_up_neither_the_tick_nor_the_stop(
    http_receiver: HttpReceiver, start: Start
) -> None:
    http_receiver.answers = [Answer(hang=True)]
    for place in (address(http_receiver), f"http://127.0.0.1:{free_port()}"):
        dispatcher = start(place)
        started = time.monotonic()
        for _ in range(100):
            dispatcher.nudge(["a"])
        dispatcher.stop()
        assert time.monotonic() - started < 1
