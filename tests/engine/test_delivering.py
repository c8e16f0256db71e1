"""Deliveries by a running engine: places that fail on order, a real folder, conditions, and dead letters sent again."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from config_api.dead_letters.service import reopen
from shared.db.models import Delivery, DeliveryTask, ErrorEntry
from shared.retry import CAP, backoff
from tests.engine.hub import EngineProcess
from tests.services.hub import eventually


def _lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def _task(story: dict[str, Any]) -> dict[str, Any]:
    (task,) = story["deliveries"]
    return dict(task)


def test_a_file_arrives_in_the_folder_as_it_was_made(engine: EngineProcess) -> None:
    desk = engine.desk
    report = desk.scripted({"rows": 3}, formats=["csv", "xlsx"])
    folder = desk.folder(report, "arrives")
    story = engine.run(report)
    assert (story["state"], story["delivery_status"]) == ("COMPLETED", "DELIVERED")
    arrived = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    assert arrived == {artifact["file_name"]: artifact["sha256"] for artifact in story["artifacts"]}
    task = _task(story)
    assert (task["status"], task["artifact_set"]) == ("DELIVERED", "csv+xlsx")
    assert "2 files, " in task["message"]
    assert [attempt["status"] for attempt in task["attempts"]] == ["DELIVERED"]


def test_a_place_that_is_busy_gets_it_later(engine: EngineProcess) -> None:
    report = engine.desk.scripted()
    log = engine.desk.flaky(report, ["unavailable", "ok"])
    task = _task(engine.run(report))
    first, second = task["attempts"]
    assert task["status"] == "DELIVERED"
    assert (first["status"], first["error_code"], first["message"]) == (
        "FAILED",
        "DELIVERY_UNAVAILABLE",
        "The flaky place is busy.",
    )
    assert (second["status"], second["message"]) == ("DELIVERED", "250 thank you")
    assert [(line["attempt"]) for line in _lines(log)] == [1, 2]
    assert len({line["key"] for line in _lines(log)}) == 1
    waited = datetime.fromisoformat(second["started_at"]) - datetime.fromisoformat(first["finished_at"])
    assert waited >= timedelta(seconds=0.85)


def test_a_place_that_asks_for_time_gets_it(engine: EngineProcess) -> None:
    report = engine.desk.scripted()
    engine.desk.flaky(report, ["unavailable:600"])
    execution_id = engine.start(report)
    task = eventually(lambda: [task for task in engine.desk.tasks(execution_id) if task.status == "WAITING"], 20)[0]
    assert task.next_attempt_at > datetime.now(UTC) + timedelta(seconds=590)
    assert engine.story(execution_id)["state"] == "DELIVERING"


def test_after_the_last_try_it_is_dead_and_can_be_sent_again(engine: EngineProcess) -> None:
    desk = engine.desk
    report = desk.scripted()
    log = desk.flaky(report, ["unavailable", "unavailable", "ok"], max_retry=1)
    story = engine.run(report)
    assert (story["state"], story["delivery_status"]) == ("FAILED", "FAILED")
    assert _task(story)["status"] == "DEAD"
    with desk.database.scoped(1, is_write=True) as session:
        reopen(session, [session.get_one(DeliveryTask, _task(story)["id"])], datetime.now(UTC))
    again = eventually(lambda: (s := engine.story(story["execution_id"]))["state"] == "COMPLETED" and s, 20)
    assert [attempt["number"] for attempt in _task(again)["attempts"]] == [1, 2, 3]
    assert len(_lines(log)) == 3


def test_a_refusal_is_not_tried_again(engine: EngineProcess) -> None:
    report = engine.desk.scripted()
    log = engine.desk.flaky(report, ["refused", "ok"])
    task = _task(engine.run(report))
    assert (task["status"], task["next_attempt_at"]) == ("REFUSED", None)
    assert task["message"] == "The flaky place knows no such address. Look it up."
    assert len(_lines(log)) == 1


def test_one_bad_address_hides_no_good_one(engine: EngineProcess) -> None:
    report = engine.desk.scripted()
    log = engine.desk.flaky(report, {"bad@x.org": ["refused"]}, "a@x.org", "bad@x.org", "b@x.org")
    story = engine.run(report)
    assert story["state"] == "PARTIAL"
    by_address = {task["recipient"]: task["status"] for task in story["deliveries"]}
    assert by_address == {"a@x.org": "DELIVERED", "bad@x.org": "REFUSED", "b@x.org": "DELIVERED"}
    assert len(_lines(log)) == 3


def test_a_retry_reaches_only_who_has_not_received(engine: EngineProcess) -> None:
    report = engine.desk.scripted()
    log = engine.desk.flaky(report, {"late@x.org": ["unavailable", "ok"]}, "early@x.org", "late@x.org")
    assert engine.run(report)["delivery_status"] == "DELIVERED"
    assert sorted(line["to"] for line in _lines(log)) == ["early@x.org", "late@x.org", "late@x.org"]


@pytest.mark.parametrize("word", ["unknown", "die", "deaf"])
def test_what_may_have_arrived_waits_for_a_person_when_the_delivery_says_so(engine: EngineProcess, word: str) -> None:
    report = engine.desk.scripted()
    log = engine.desk.flaky(report, [word, "ok"], "a@x.org", on_unknown="ask")
    task = _task(engine.run(report))
    assert task["status"] == "UNKNOWN"
    assert [attempt["status"] for attempt in task["attempts"]] == ["UNKNOWN"]
    assert len(_lines(log)) == 1


@pytest.mark.parametrize("word", ["unknown", "die"])
def test_what_may_have_arrived_is_sent_again_when_the_delivery_says_so(engine: EngineProcess, word: str) -> None:
    report = engine.desk.scripted()
    log = engine.desk.flaky(report, [word, "ok"], "a@x.org", on_unknown="resend")
    task = _task(engine.run(report))
    assert task["status"] == "DELIVERED"
    assert [attempt["status"] for attempt in task["attempts"]] == ["UNKNOWN", "DELIVERED"]
    assert len({line["key"] for line in _lines(log)}) == 1


def test_a_fault_of_a_plug_in_ends_the_task_and_tells_operators_why(engine: EngineProcess) -> None:
    report = engine.desk.scripted()
    engine.desk.flaky(report, ["fault"])
    story = engine.run(report)
    assert _task(story)["status"] == "REFUSED"
    assert "hunter2" not in json.dumps(story)
    execution_id = story["execution_id"]
    assert engine.desk.count(
        ErrorEntry, ErrorEntry.execution_id == execution_id, ErrorEntry.detail.contains("KeyError")
    )


def test_nobody_to_send_to_is_said(engine: EngineProcess) -> None:
    report = engine.desk.scripted()
    engine.desk.delivery(report, "flaky_mail", {"plan": "/nowhere"})
    story = engine.run(report)
    assert story["delivery_status"] == "FAILED"
    assert _task(story)["message"] == "This delivery has no active recipient."


@pytest.mark.parametrize(
    ("condition", "rows", "reason"),
    [("has_rows", 0, "the report has no rows"), ("no_rows", 2, "the report has rows")],
)
def test_a_condition_that_is_not_met_leaves_its_reason(
    engine: EngineProcess, condition: str, rows: int, reason: str
) -> None:
    report = engine.desk.scripted({"rows": rows})
    log = engine.desk.flaky(report, ["ok"], condition=condition)
    story = engine.run(report)
    assert (story["state"], story["delivery_status"]) == ("COMPLETED", "NONE")
    assert _task(story)["status"] == "SKIPPED"
    assert reason in _task(story)["message"]
    assert _lines(log) == []


@pytest.mark.parametrize(("condition", "rows"), [("has_rows", 1), ("no_rows", 0), ("always", 0)])
def test_a_condition_that_is_met_delivers(engine: EngineProcess, condition: str, rows: int) -> None:
    report = engine.desk.scripted({"rows": rows})
    engine.desk.flaky(report, ["ok"], condition=condition)
    assert engine.run(report)["delivery_status"] == "DELIVERED"


def test_the_same_rows_are_delivered_once_and_new_ones_again(engine: EngineProcess) -> None:
    desk = engine.desk
    report = desk.scripted({"rows": 5})
    log = desk.flaky(report, ["ok"], condition="changed")
    assert engine.run(report)["delivery_status"] == "DELIVERED"
    unchanged = engine.run(report)
    assert _task(unchanged)["status"] == "SKIPPED"
    assert "same as those delivered last" in _task(unchanged)["message"]
    with desk.database.scoped(1, is_write=True) as session:
        session.get_one(type(report), report.id).query = json.dumps({"rows": 6})
    assert engine.run(report)["delivery_status"] == "DELIVERED"
    assert len(_lines(log)) == 2


def test_rows_that_never_arrived_are_not_the_same_again(engine: EngineProcess) -> None:
    report = engine.desk.scripted({"rows": 5})
    engine.desk.flaky(report, ["refused"], condition="changed")
    assert _task(engine.run(report))["status"] == "REFUSED"
    assert _task(engine.run(report, deliver=True))["status"] == "REFUSED"


def test_only_the_deliveries_that_were_named_are_made(engine: EngineProcess) -> None:
    desk = engine.desk
    report = desk.scripted()
    logs = [desk.flaky(report, ["ok"]) for _ in range(2)]
    with desk.database.reading() as session:
        wanted = max(row.id for row in session.query(Delivery).filter_by(config_id=report.id))
    assert engine.run(report, delivery_ids=[wanted])["delivery_status"] == "DELIVERED"
    assert [len(_lines(log)) for log in logs] == [0, 1]


def test_nothing_is_delivered_when_that_was_asked(engine: EngineProcess) -> None:
    report = engine.desk.scripted()
    log = engine.desk.flaky(report, ["ok"])
    story = engine.run(report, deliver=False)
    assert (story["state"], story["delivery_status"], story["deliveries"]) == ("COMPLETED", "NONE", [])
    assert _lines(log) == []


def test_a_stored_file_that_was_changed_is_not_sent(engine: EngineProcess) -> None:
    desk = engine.desk
    report = desk.scripted()
    folder = desk.folder(report, "not-yet-mounted")
    folder.rmdir()
    execution_id = engine.start(report)
    eventually(lambda: any(task.status == "WAITING" for task in desk.tasks(execution_id)), 30)
    (stored,) = (path for path in desk.stored_files() if execution_id in path.parts)
    stored.write_bytes(b"n\n999\n")
    folder.mkdir()
    story = engine.ended(execution_id)
    assert _task(story)["status"] == "REFUSED"
    assert list(folder.iterdir()) == []


def test_waiting_doubles_up_to_its_cap_and_never_below_what_was_asked() -> None:
    minute = timedelta(minutes=1)
    assert [backoff(n, minute, spread=0) for n in (1, 2, 3)] == [minute, 2 * minute, 4 * minute]
    assert backoff(60, minute, spread=0) == CAP
    assert backoff(1, minute, spread=1) == minute * 1.1
    assert backoff(1, minute, retry_after=timedelta(hours=9), spread=-1) == timedelta(hours=9)
    assert backoff(1, timedelta(0), spread=0) == timedelta(seconds=1)
