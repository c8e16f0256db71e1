"""Asking for an execution: once for one ask, refused with the reason, kept before the answer is given."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from execution_engine.accepting import Acceptor
from shared.db.models import Execution
from shared.errors import InvalidInput
from shared.executions import ExecuteBody
from shared.settings import Settings
from shared.web import ServiceContext
from tests.engine.hub import Desk, EngineProcess

_MOST = {"name": "most", "type": "integer", "required": True}


def test_the_row_exists_when_the_answer_comes(engine: EngineProcess) -> None:
    report = engine.desk.scripted()
    response = engine.execute(report)
    assert response.status_code == 202
    data = response.json()["data"]
    assert engine.desk.execution(data["execution_id"]).config_id == report.id
    assert data["config_id"] == report.id


def test_the_same_ask_twice_is_one_execution(engine: EngineProcess) -> None:
    report = engine.desk.scripted()
    first = engine.execute(report, key="k-1", deliver=False)
    second = engine.execute(report, key="k-1", deliver=False)
    assert "Idempotent-Replayed" not in first.headers
    assert second.status_code == 202
    assert second.headers["Idempotent-Replayed"] == "true"
    assert first.json()["data"]["execution_id"] == second.json()["data"]["execution_id"]


def test_waiting_longer_is_no_other_ask(engine: EngineProcess) -> None:
    report = engine.desk.scripted()
    first = engine.execute(report, key="k-2")
    second = engine.execute(report, key="k-2", wait_seconds=30)
    assert first.json()["data"]["execution_id"] == second.json()["data"]["execution_id"]


def test_one_key_for_two_asks_is_refused(engine: EngineProcess) -> None:
    report = engine.desk.scripted()
    engine.execute(report, key="k-3")
    for response in (
        engine.execute(report, key="k-3", deliver=False),
        engine.execute(engine.desk.scripted(), key="k-3"),
    ):
        assert response.status_code == 422
        assert response.json()["details"][0]["field"] == "Idempotency-Key"


def test_the_same_key_at_the_same_moment_makes_one_row(any_desk: Desk) -> None:
    settings = Settings(
        data_dir=any_desk.data_dir, database_url=any_desk.database.engine.url.render_as_string(hide_password=False)
    )
    context = ServiceContext.open("execution_engine", settings)
    report = any_desk.scripted()
    barrier = threading.Barrier(8)

    def ask(number: int) -> Any:
        barrier.wait()
        return [Acceptor(context).accept(1, report.id, ExecuteBody(), f"key-{n}", actor="test") for n in range(10)]

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ask, range(8)))
    context.database.close()
    assert any_desk.count(Execution) == 10
    for position in range(10):
        accepted = [answer[position] for answer in answers]
        assert len({one.execution.id for one in accepted}) == 1
        assert sum(not one.is_replayed for one in accepted) == 1


def test_an_unknown_report_is_not_found(engine: EngineProcess) -> None:
    response = engine.client.post("/api/execute/999999")
    assert response.status_code == 404
    assert response.json()["error"] == "NOT_FOUND"


def test_what_is_switched_off_is_not_executed(engine: EngineProcess) -> None:
    desk = engine.desk
    off = desk.scripted(is_active=False)
    source_off = desk.report(desk.datasource(is_active=False), "{}")
    delivery_off = desk.scripted()
    delivery = desk.delivery(delivery_off, is_active=False)
    answers = [
        engine.execute(off),
        engine.execute(source_off),
        engine.execute(delivery_off, delivery_ids=[delivery.id]),
    ]
    assert [answer.status_code for answer in answers] == [409, 409, 409]
    assert all("switched off" in answer.json()["message"] for answer in answers)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"parameters": {"most": "many"}}, "parameters.most"),
        ({"parameters": {}}, "parameters.most"),
        ({"parameters": {"most": 1, "least": 2}}, "parameters.least"),
        ({"parameters": {"most": 1}, "formats": ["csv", "wordperfect"]}, "formats.1"),
        ({"parameters": {"most": 1}, "formats": []}, "formats"),
        ({"parameters": {"most": 1}, "delivery_ids": [123456]}, "delivery_ids"),
        ({"parameters": {"most": 1}, "schedule_id": 123456}, "schedule_id"),
        ({"parameters": {"most": 1}, "timezone": "Mars/Olympus"}, "timezone"),
        ({"parameters": {"most": 1}, "wait_seconds": 61}, "wait_seconds"),
        ({"parameters": {"most": 1}, "scheduled_for": "2026-01-01T00:00:00"}, "scheduled_for"),
        ({"parameters": {"most": 1}, "scheduled_for": 5}, "scheduled_for"),
        ({"parameters": {"most": 1}, "surprise": True}, "surprise"),
    ],
)
def test_what_does_not_fit_is_named_with_its_path(engine: EngineProcess, body: dict[str, Any], field: str) -> None:
    report = engine.desk.report(engine.desk.datasource(), "{}", parameters=[_MOST])
    before = engine.desk.count(Execution)
    response = engine.execute(report, **body)
    assert response.status_code == 422, response.text
    assert field in [detail["field"] for detail in response.json()["details"]]
    assert engine.desk.count(Execution) == before


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_a_logical_time_at_the_edge_of_the_calendar_is_refused(engine: EngineProcess, moment: str) -> None:
    day = {"name": "day", "type": "date", "default": "today-7d"}
    report = engine.desk.report(engine.desk.datasource(), "{}", parameters=[day])
    response = engine.execute(report, scheduled_for=moment, timezone="Pacific/Kiritimati")
    assert response.status_code == 422
    assert response.json()["details"][0]["field"] == "scheduled_for"


def test_what_is_asked_for_on_behalf_of_a_schedule_is_in_its_history(engine: EngineProcess) -> None:
    report = engine.desk.scripted()
    schedule = engine.desk.schedule(report)
    execution = engine.desk.execution(engine.start(report, schedule_id=schedule.id))
    assert (execution.schedule_id, execution.trigger) == (schedule.id, "manual")


def test_a_schedule_of_another_report_is_refused(engine: EngineProcess) -> None:
    schedule = engine.desk.schedule(engine.desk.scripted())
    response = engine.execute(engine.desk.scripted(), schedule_id=schedule.id)
    assert response.status_code == 422
    assert response.json()["details"][0]["field"] == "schedule_id"


def test_a_body_may_name_the_report(engine: EngineProcess) -> None:
    report = engine.desk.scripted()
    response = engine.client.post("/api/execute", json={"config_id": report.id, "wait_seconds": 30})
    assert response.status_code == 202
    assert response.json()["data"]["status"] == "COMPLETED"


def test_queued_executions_start_by_their_ids(engine: EngineProcess) -> None:
    ids = [engine.desk.enqueue(engine.desk.scripted()) for _ in range(2)]
    response = engine.client.post("/api/execute", json={"execution_ids": ids})
    assert response.status_code == 202
    assert [item["execution_id"] for item in response.json()["data"]] == ids
    assert {engine.ended(execution_id)["state"] for execution_id in ids} == {"COMPLETED"}


@pytest.mark.parametrize("body", [{}, {"config_id": 1, "execution_ids": ["x"]}])
def test_a_body_must_say_what_to_execute(engine: EngineProcess, body: dict[str, Any]) -> None:
    assert engine.client.post("/api/execute", json=body).status_code == 422


def test_an_unknown_execution_is_not_found(engine: EngineProcess) -> None:
    assert engine.client.post("/api/execute", json={"execution_ids": ["nope"]}).status_code == 404
    assert engine.client.get("/api/execution/nope").status_code == 404
    assert engine.client.post("/api/execution/nope/cancel").status_code == 404


def test_waiting_ends_when_the_deliveries_have_ended_too(engine: EngineProcess) -> None:
    report = engine.desk.scripted()
    engine.desk.flaky(report, ["unavailable", "ok"], max_retry=1)
    response = engine.execute(report, wait_seconds=60)
    story = engine.story(response.json()["data"]["execution_id"])
    assert story["delivery_status"] == "DELIVERED"


def test_waiting_ends_after_the_time_that_was_given(engine: EngineProcess) -> None:
    report = engine.desk.scripted({"until": "/nowhere"})
    response = engine.execute(report, wait_seconds=0.3)
    data = response.json()["data"]
    assert data["status"] in ("QUEUED", "RUNNING")
    assert response.elapsed.total_seconds() < 20
    engine.client.post(f"/api/execution/{data['execution_id']}/cancel")


def test_a_key_of_no_length_is_refused(desk: Desk) -> None:
    context = ServiceContext.open("execution_engine", Settings(data_dir=desk.data_dir))
    report = desk.scripted()
    for key in ("", "k" * 256):
        with pytest.raises(InvalidInput):
            Acceptor(context).accept(1, report.id, ExecuteBody(), key, actor="test")
    context.database.close()
