"""Engines that die: at every named point, by SIGKILL in the middle, with a paused twin; the books add up afterwards."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from shared.db.models import AuditEntry, DeliveryTask
from tests.engine.hub import Desk, EngineProcess
from tests.services.hub import ROOT, eventually

POINTS = (
    "execution_claimed",
    "files_written",
    "artifacts_stored",
    "execution_completed",
    "delivery_claimed",
    "before_sending",
    "after_sending",
    "delivery_recorded",
)
"""In the order in which an execution passes them."""


def test_every_crash_point_of_the_engine_is_crashed_at() -> None:
    sources = [path.read_text() for path in (ROOT / "execution_engine").glob("*.py")]
    assert set(POINTS) == {name for source in sources for name in re.findall(r'crash_point\("(\w+)"\)', source)}


@pytest.mark.acceptance
def test_an_engine_that_dies_at_every_point_in_turn_loses_and_doubles_nothing(
    desk: Desk, start_engine: Callable[..., EngineProcess]
) -> None:
    report = desk.scripted({"rows": 5}, formats=["csv", "xlsx"])
    folder = desk.folder(report, "out")
    log = desk.flaky(report, ["ok"], "a@x.org", "b@x.org")
    ids = [desk.enqueue(report, max_attempts=len(POINTS) + 1)]
    for point in POINTS:
        engine = start_engine(desk, CRASH_AT=point)
        assert engine.process.wait(90) == -signal.SIGKILL, f"{point} was not reached"
    engine = start_engine(desk).ready()
    ids.append(desk.enqueue(report))
    for execution_id in ids:
        story = engine.ended(execution_id)
        assert (story["state"], story["delivery_status"]) == ("COMPLETED", "DELIVERED")
        assert len(story["artifacts"]) == 2
        assert {task["status"] for task in story["deliveries"]} == {"DELIVERED"}
        assert all(attempt["finished_at"] for task in story["deliveries"] for attempt in task["attempts"])
    assert sorted(path.suffix for path in folder.iterdir()) == [".csv", ".xlsx"]
    recorded = {
        desk.data_dir / "artifacts" / a.storage_key for execution_id in ids for a in desk.artifacts(execution_id)
    }
    assert set(desk.stored_files()) == recorded
    eventually(lambda: desk.workspaces() == [], 5)
    completed = AuditEntry.action == "execution.completed"
    assert [desk.count(AuditEntry, completed, AuditEntry.object_id == execution_id) for execution_id in ids] == [1, 1]
    assert (
        len(log.read_text().splitlines()) <= 2 * len(ids) + 4
    )  # a mail may be sent again where a crash hit its sending


@pytest.mark.acceptance
def test_an_execution_is_taken_over_and_the_orphaned_worker_dies(
    desk: Desk, tmp_path: Path, start_engine: Callable[..., EngineProcess]
) -> None:
    started, gate = tmp_path / "started", tmp_path / "gate"
    report = desk.scripted({"started": str(started), "until": str(gate)})
    folder = desk.folder(report, "out")
    first = start_engine(desk).ready()
    execution_id = first.start(report)
    eventually(started.exists, 30)
    family = first.family()
    first.kill()
    second = start_engine(desk).ready()
    eventually(lambda: len(started.read_text().split()) == 2, 30)
    eventually(lambda: not any(process.is_running() for process in family[1:]), 10)
    gate.touch()
    story = second.ended(execution_id)
    assert (story["state"], story["attempt"]) == ("COMPLETED", 2)
    assert len(list(folder.iterdir())) == 1
    assert desk.execution(execution_id).fence == 2


@pytest.mark.acceptance
def test_an_engine_that_was_only_asleep_finds_its_work_void(
    desk: Desk, tmp_path: Path, start_engine: Callable[..., EngineProcess]
) -> None:
    started, gate = tmp_path / "started", tmp_path / "gate"
    report = desk.scripted({"started": str(started), "until": str(gate)})
    folder = desk.folder(report, "out")
    sleeper = start_engine(desk).ready()
    execution_id = sleeper.start(report)
    eventually(started.exists, 30)
    sleeper.process.send_signal(signal.SIGSTOP)
    second = start_engine(desk).ready()
    eventually(lambda: len(started.read_text().split()) == 2, 30)
    gate.touch()  # both workers finish; the sleeper's result waits in its pipe
    assert second.ended(execution_id)["state"] == "COMPLETED"
    sleeper.process.send_signal(signal.SIGCONT)
    eventually(lambda: "lease lost" in sleeper.log, 20)
    (artifact,) = desk.artifacts(execution_id)
    assert desk.stored_files() == [desk.data_dir / "artifacts" / artifact.storage_key]
    assert len(list(folder.iterdir())) == 1
    assert desk.count(DeliveryTask) == 1
    assert desk.execution(execution_id).status == "COMPLETED"


@pytest.mark.acceptance
def test_an_engine_that_is_asked_to_stop_finishes_or_hands_back(
    desk: Desk, tmp_path: Path, start_engine: Callable[..., EngineProcess]
) -> None:
    started, gate = tmp_path / "started", tmp_path / "gate"
    engine = start_engine(desk).ready()
    short = engine.start(desk.scripted({"started": str(started), "until": str(gate)}))
    long = engine.start(desk.scripted({"started": str(started), "until": "/nowhere"}))
    report = desk.scripted()
    desk.flaky(report, ["until:/nowhere"], max_retry=0)
    sending = engine.start(report)
    eventually(lambda: started.exists() and len(started.read_text().split()) == 2, 30)
    eventually(lambda: any(task.status == "SENDING" for task in desk.tasks(sending)), 30)
    family = engine.family()
    for process in family:  # as service managers do; the engine decides, so that no attempt is lost
        process.send_signal(signal.SIGTERM)
    gate.touch()
    assert engine.process.wait(20) in (0, -signal.SIGTERM)
    assert desk.execution(short).status == "COMPLETED"
    handed_back = desk.execution(long)
    assert (handed_back.status, handed_back.attempt, handed_back.lease_owner) == ("QUEUED", 0, None)
    (task,) = desk.tasks(sending)
    assert (task.status, task.attempts_allowed - task.attempt) == ("WAITING", 1)
    eventually(lambda: not any(process.is_running() for process in family), 5)
    assert desk.workspaces() == []


@pytest.mark.acceptance
def test_an_engine_outlives_its_fork_server(engine: EngineProcess) -> None:
    report = engine.desk.scripted()
    assert engine.run(report)["state"] == "COMPLETED"
    for process in psutil.Process(engine.process.pid).children():
        os.kill(process.pid, signal.SIGKILL)
    stories = [engine.run(report) for _ in range(3)]
    assert [story["state"] for story in stories] == ["COMPLETED"] * 3
