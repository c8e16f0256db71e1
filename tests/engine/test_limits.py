"""Worker processes under a running engine: killed, too big, too slow, cancelled; the engine outlives them all."""

from __future__ import annotations

import json
import os
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import create_engine, text, update

from shared.db.models import Execution
from tests.engine.hub import EngineProcess
from tests.services.databases import TestDatabase
from tests.services.hub import eventually


def _started(file: Path, count: int = 1) -> int:
    """The process id of the worker that started last, once so many have started."""

    def pids() -> list[str]:
        found = file.read_text().split() if file.exists() else []
        return found if len(found) >= count else []

    return int(eventually(pids, 30)[-1])


def test_an_execution_whose_worker_is_killed_is_done_again(engine: EngineProcess, tmp_path: Path) -> None:
    started, gate = tmp_path / "started", tmp_path / "gate"
    execution_id = engine.start(engine.desk.scripted({"started": str(started), "until": str(gate)}))
    os.kill(_started(started), signal.SIGKILL)
    _started(started, 2)
    gate.touch()
    story = engine.ended(execution_id)
    assert (story["state"], story["attempt"], story["error"]) == ("COMPLETED", 2, None)


def test_a_worker_that_crashes_each_time_fails_the_execution(engine: EngineProcess) -> None:
    story = engine.run(engine.desk.scripted({"abort": True}))
    assert (story["state"], story["attempt"]) == ("FAILED", 3)
    assert story["error"]["code"] == "WORKER_LOST"
    assert "signal 6" in story["error"]["message"]


@pytest.mark.parametrize("script", [{"eat_mb": 600}, {"eat_arrow_mb": 600}])
def test_a_report_that_eats_memory_ends_alone(engine: EngineProcess, script: dict[str, Any]) -> None:
    before = engine.process.pid
    story = engine.run(engine.desk.scripted(script))
    assert (story["state"], story["attempt"]) == ("FAILED", 1)
    assert story["error"]["code"] == "MEMORY_LIMIT_REACHED"
    assert "256 MB" in story["error"]["message"]
    assert engine.process.poll() is None
    assert engine.process.pid == before
    assert engine.run(engine.desk.scripted())["state"] == "COMPLETED"


def test_a_big_result_passes_through_little_memory(engine: EngineProcess) -> None:
    desk = engine.desk
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)"
    query = f"{numbers} SELECT i, printf('%0500d', i) AS wide FROM n"
    story = engine.run(desk.report(desk.sqlite(1), query))
    assert (story["state"], story["row_count"]) == ("COMPLETED", 300_000), story["error"]
    (artifact,) = story["artifacts"]
    assert artifact["size"] > 150_000_000 / 1.01
    for path in desk.stored_files():
        if story["execution_id"] in path.parts:
            path.write_bytes(b"")  # the folder of tests is kept for a while


def test_the_time_limit_ends_an_execution_that_listens(engine: EngineProcess) -> None:
    began = time.monotonic()
    story = engine.run(engine.desk.scripted({"until": "/nowhere"}, timeout_seconds=1))
    assert story["error"]["code"] == "TIME_LIMIT_REACHED"
    assert "1 second" in story["error"]["message"]
    assert time.monotonic() - began < 1 + 5 + 4


def test_the_time_limit_ends_an_execution_that_does_not_listen(engine: EngineProcess, tmp_path: Path) -> None:
    started = tmp_path / "started"
    execution_id = engine.start(engine.desk.scripted({"started": str(started), "deaf": True}, timeout_seconds=1))
    worker = psutil.Process(_started(started))
    story = engine.ended(execution_id)
    assert story["error"]["code"] == "TIME_LIMIT_REACHED"
    assert story["attempt"] == 1
    eventually(lambda: not worker.is_running(), 5)


def test_a_queued_execution_is_cancelled_at_once(engine: EngineProcess, tmp_path: Path) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    execution_id = engine.desk.enqueue(engine.desk.scripted(), available_at=later)
    response = engine.client.post(f"/api/execution/{execution_id}/cancel")
    assert (response.status_code, response.json()["data"]["status"]) == (202, "CANCELLED")
    assert engine.story(execution_id)["state"] == "CANCELLED"


@pytest.mark.parametrize("script", [{"until": "/nowhere"}, {"deaf": True}])
def test_a_running_execution_is_cancelled(engine: EngineProcess, tmp_path: Path, script: dict[str, Any]) -> None:
    started = tmp_path / "started"
    report = engine.desk.scripted({"started": str(started), **script})
    folder = engine.desk.folder(report, f"cancelled-{len(json.dumps(script))}")
    execution_id = engine.start(report)
    worker = psutil.Process(_started(started))
    assert engine.client.post(f"/api/execution/{execution_id}/cancel").status_code == 202
    story = engine.ended(execution_id, 10)
    assert (story["state"], story["error"], story["artifacts"]) == ("CANCELLED", None, [])
    eventually(lambda: not worker.is_running(), 5)
    assert list(folder.iterdir()) == []


def test_what_has_ended_cannot_be_cancelled(engine: EngineProcess) -> None:
    story = engine.run(engine.desk.scripted())
    response = engine.client.post(f"/api/execution/{story['execution_id']}/cancel")
    assert response.status_code == 409
    assert "COMPLETED" in response.json()["message"]


def test_a_cancel_that_comes_before_the_end_is_written_counts(engine: EngineProcess, tmp_path: Path) -> None:
    """As another engine's API would ask: in the database only."""
    started = tmp_path / "started"
    execution_id = engine.start(engine.desk.scripted({"started": str(started), "until": "/nowhere"}))
    _started(started)
    with engine.desk.database.transaction() as session:
        session.execute(
            update(Execution).where(Execution.id == execution_id).values(cancel_requested_at=datetime.now(UTC))
        )
    assert engine.ended(execution_id, 10)["state"] == "CANCELLED"


_BUSY = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE datname = :name AND state = 'active'",
    "mysql": "SELECT count(*) FROM information_schema.processlist WHERE db = :name AND command = 'Query'",
}


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_a_cancelled_query_is_gone_from_its_server(
    engine: EngineProcess, kind: str, request: pytest.FixtureRequest
) -> None:
    served: TestDatabase = request.getfixturevalue(
        {"postgresql": "postgres_database", "mysql": "mariadb_database"}[kind]
    )
    served.execute("CREATE TABLE n (i INTEGER)", f"INSERT INTO n VALUES {', '.join(f'({i})' for i in range(300))}")
    query = "SELECT count(*) FROM n a, n b, n c, n d WHERE a.i + b.i + c.i + d.i = -1"
    source = engine.desk.datasource(kind, served.config)
    execution_id = engine.start(engine.desk.report(source, query))
    watcher = create_engine(served.url.rpartition("/")[0] + ("/postgres" if kind == "postgresql" else "/mysql"))
    with watcher.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:

        def is_busy() -> bool:
            return bool(connection.execute(text(_BUSY[kind]), {"name": served.name}).scalar_one())

        eventually(is_busy, 30)
        engine.client.post(f"/api/execution/{execution_id}/cancel")
        eventually(lambda: not is_busy(), 2)
    watcher.dispose()
    assert engine.ended(execution_id, 10)["state"] == "CANCELLED"
