"""The scheduler as a process: what it answers, what survives its end, and how it starts and stops."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.auth import hash_key, make_key
from shared.db.database import Database
from shared.db.models import ApiKey, Datasource
from tests.scheduler.desk import add_report, add_schedule, add_schedules, change, executions, schedule_of, slots
from tests.scheduler.service import ADMIN_KEY, Service, Start
from tests.services.databases import free_port
from tests.services.http_receiver import Answer, HttpReceiver
from tests.services.hub import ROOT, eventually

ACCEPTED = {"execution_id": "0192f0c1-0000-7000-8000-000000000001", "config_id": 1, "status": "QUEUED"}
GOOD = Answer(202, {"Content-Type": "application/json"}, json.dumps({"status": "success", "data": ACCEPTED}).encode())


def soon() -> datetime:
    """A slot that was due a moment ago."""
    return datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=1)


def make_api_key(database: Database, role: str, tenant_id: int = 1) -> dict[str, str]:
    key, prefix = make_key()
    with database.transaction() as session:
        row = ApiKey(
            tenant_id=tenant_id, name=role, prefix=prefix, secret_hash=hash_key(key), role=role, created_at=soon()
        )
        session.add(row)
    return {"X-API-Key": key}


def engine_of(receiver: HttpReceiver) -> dict[str, str]:
    return {"ENGINE_URL": receiver.url.removesuffix("/hook")}


def told(receiver: HttpReceiver) -> list[str]:
    bodies = [json.loads(request.body) for request in receiver.requests if request.path == "/api/execute"]
    return [execution_id for body in bodies for execution_id in body["execution_ids"]]


def test_a_due_schedule_fires_by_itself_and_the_engine_is_told(
    hub_database: Database, start: Start, http_receiver: HttpReceiver
) -> None:
    http_receiver.answers = [GOOD] * 9
    one = add_schedule(hub_database, add_report(hub_database), next_run_at=soon())
    service = start(hub_database, **engine_of(http_receiver)).ready()
    eventually(lambda: bool(told(http_receiver)), 20)
    (row,) = executions(hub_database, one)
    assert told(http_receiver) == [row.id]
    status = service.call("GET", "status")
    assert (status["is_running"], status["last_error"], status["fired_count"]) == (True, None, 1)
    assert (status["active_count"], status["inactive_count"]) == (1, 0)
    assert datetime.fromisoformat(status["next_run_at"]) == schedule_of(hub_database, one).next_run_at


def test_while_the_engine_is_down_slots_wait_as_rows_and_the_tick_goes_on(sqlite_hub: Database, start: Start) -> None:
    report = add_report(sqlite_hub)
    first = add_schedule(sqlite_hub, report, next_run_at=soon())
    service = start(sqlite_hub, ENGINE_URL=f"http://127.0.0.1:{free_port()}").ready()
    eventually(lambda: bool(slots(sqlite_hub, first)), 20)
    second = add_schedule(sqlite_hub, report, next_run_at=soon())
    eventually(lambda: bool(slots(sqlite_hub, second)), 20)
    assert service.call("GET", "status")["last_error"] is None
    assert any("the engine was not told" in line["event"] for line in service.log)


def test_jobs_shows_what_is_due_when(sqlite_hub: Database, start: Start) -> None:
    report = add_report(sqlite_hub)
    ahead = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    later = add_schedule(sqlite_hub, report, next_run_at=ahead + timedelta(hours=1), name="later")
    sooner = add_schedule(sqlite_hub, report, next_run_at=ahead, name="sooner", timezone="Europe/Berlin")
    add_schedule(sqlite_hub, report, next_run_at=None, is_active=False)
    add_schedule(sqlite_hub, report, next_run_at=ahead + timedelta(hours=2), cron_expression="broken")
    service = start(sqlite_hub).ready()
    page = service.call("GET", "jobs")
    assert page["total"] == 3
    assert [job["schedule_id"] for job in page["items"][:2]] == [sooner, later]
    job = page["items"][0]
    assert (job["name"], job["report_name"], job["sentence"]) == (
        "sooner",
        "Sales",
        "Every day at 07:00 (Europe/Berlin)",
    )
    assert "five fields" in page["items"][2]["sentence"]
    assert [job["schedule_id"] for job in service.call("GET", "jobs?limit=1&offset=1")["items"]] == [later]


def test_reload_answers_what_changed(sqlite_hub: Database, start: Start) -> None:
    report = add_report(sqlite_hub)
    one = add_schedule(sqlite_hub, report, next_run_at=None)
    broken = add_schedule(sqlite_hub, report, next_run_at=None, cron_expression="broken")
    service = start(sqlite_hub).ready()
    answer = service.call("POST", "reload")
    assert (answer["active_count"], answer["changed"], list(answer["broken"])) == (2, [one], [str(broken)])
    assert service.call("POST", "reload")["changed"] == []


def test_trigger_answers_with_the_execution_and_leaves_the_next_time(
    sqlite_hub: Database, start: Start, http_receiver: HttpReceiver
) -> None:
    http_receiver.answers = [GOOD]
    ahead = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    fields: dict[str, Any] = {"parameters": {"region": "north"}, "formats": ["pdf"], "timezone": "Europe/Berlin"}
    one = add_schedule(sqlite_hub, add_report(sqlite_hub), next_run_at=ahead, **fields)
    service = start(sqlite_hub, **engine_of(http_receiver)).ready()
    answer = service.call("POST", f"trigger/{one}", 202, headers={"Idempotency-Key": "once"})
    assert answer == ACCEPTED
    (request,) = http_receiver.requests
    body = json.loads(request.body)
    assert request.path == f"/api/execute/{schedule_of(sqlite_hub, one).config_id}"
    assert request.headers["idempotency-key"] == "once"
    assert (body["parameters"], body["formats"], body["timezone"]) == ({"region": "north"}, ["pdf"], "Europe/Berlin")
    assert schedule_of(sqlite_hub, one).next_run_at == ahead
    assert service.call("POST", "trigger/999", 404)["error"] == "NOT_FOUND"


def test_trigger_says_that_the_engine_is_down(sqlite_hub: Database, start: Start) -> None:
    one = add_schedule(sqlite_hub, add_report(sqlite_hub), next_run_at=None)
    service = start(sqlite_hub, ENGINE_URL=f"http://127.0.0.1:{free_port()}").ready()
    answer = service.call("POST", f"trigger/{one}", 503)
    assert (answer["error"], answer["message"]) == ("SERVICE_UNAVAILABLE", "The execution engine does not answer.")


def test_charlie_sees_and_triggers_nothing_of_alices_and_viewers_change_nothing(
    sqlite_hub: Database, start: Start, http_receiver: HttpReceiver
) -> None:
    ahead = datetime.now(UTC) + timedelta(days=1)
    one = add_schedule(sqlite_hub, add_report(sqlite_hub), next_run_at=ahead)
    charlie, viewer = make_api_key(sqlite_hub, "admin", tenant_id=2), make_api_key(sqlite_hub, "viewer")
    service = start(sqlite_hub, BOOTSTRAP_API_KEY=ADMIN_KEY, **engine_of(http_receiver)).ready()
    status = service.call("GET", "status", headers=charlie)
    assert (status["active_count"], status["next_run_at"]) == (0, None)
    assert service.call("GET", "jobs", headers=charlie)["total"] == 0
    service.call("POST", f"trigger/{one}", 404, headers=charlie)
    assert service.call("POST", "reload", headers=charlie)["active_count"] == 0
    assert service.call("GET", "jobs", headers=viewer)["total"] == 1
    service.call("POST", "reload", 403, headers=viewer)
    service.call("POST", f"trigger/{one}", 403, headers=viewer)
    service.client.headers.pop("X-API-Key")
    for method, path in (("GET", "status"), ("GET", "jobs"), ("POST", "reload"), ("POST", f"trigger/{one}")):
        service.call(method, path, 401)
    assert http_receiver.requests == []


def test_kills_and_restarts_double_and_lose_nothing(sqlite_hub: Database, start: Start) -> None:
    report = add_report(sqlite_hub)
    for _ in range(3):
        add_schedules(sqlite_hub, report, 300, next_run_at=soon())
        service = start(sqlite_hub)
        eventually(lambda: bool(executions(sqlite_hub)), 30)
        service.kill()
    start(sqlite_hub)
    eventually(lambda: len(executions(sqlite_hub)) == 900, 30)
    assert len({row.schedule_id for row in executions(sqlite_hub)}) == 900


def test_two_services_on_one_database_fire_each_slot_once(hub_database: Database, start: Start) -> None:
    pair = [start(hub_database).ready() for _ in range(2)]
    add_schedules(hub_database, add_report(hub_database), 600, next_run_at=soon())
    eventually(lambda: len(executions(hub_database)) >= 600, 60)
    fired = [service.call("GET", "status")["fired_count"] for service in pair]
    assert sum(fired) == 600
    assert len({row.schedule_id for row in executions(hub_database)}) == len(executions(hub_database)) == 600
    errors = [line for service in pair for line in service.log if line["level"] in ("warning", "error")]
    assert [line for line in errors if "the engine was not told" not in line["event"]] == []


def test_sigterm_ends_it_in_a_second_even_while_the_engine_hangs(
    sqlite_hub: Database, start: Start, http_receiver: HttpReceiver
) -> None:
    http_receiver.answers = [Answer(hang=True)]
    add_schedule(sqlite_hub, add_report(sqlite_hub), next_run_at=soon())
    service = start(sqlite_hub, **engine_of(http_receiver)).ready()
    assert http_receiver.arrived.wait(20)
    assert service.stop() < 1.5


def test_a_database_that_is_lost_and_comes_back_is_survived(sqlite_hub: Database, start: Start) -> None:
    service = start(sqlite_hub).ready()
    with sqlite3.connect(sqlite_hub.engine.url.database or "") as connection:
        connection.execute("ALTER TABLE report_schedules RENAME TO away")
    eventually(lambda: any("tick failed" in line["event"] for line in service.log), 20)
    with sqlite3.connect(sqlite_hub.engine.url.database or "") as connection:
        connection.execute("ALTER TABLE away RENAME TO report_schedules")
    eventually(lambda: service.call("GET", "status")["last_error"] is None, 20)
    one = add_schedule(sqlite_hub, add_report(sqlite_hub), next_run_at=soon())
    eventually(lambda: bool(slots(sqlite_hub, one)), 20)


def test_with_a_real_engine_a_schedule_becomes_a_complete_artifact(
    sqlite_hub: Database, start: Start, tmp_path: Path
) -> None:
    (tmp_path / "files").mkdir()
    with sqlite3.connect(tmp_path / "files" / "sales.sqlite") as connection:
        connection.execute("CREATE TABLE sales (amount INTEGER)")
    report = add_report(sqlite_hub)
    with sqlite_hub.transaction() as session:
        source = session.get_one(Datasource, 1)
        source.connection_config = {"path": str(tmp_path / "files" / "sales.sqlite")}
    engine = start(sqlite_hub, "execution_engine").ready()
    scheduler = start(sqlite_hub, ENGINE_URL=engine.address).ready()
    one = add_schedule(sqlite_hub, report, next_run_at=soon())
    eventually(lambda: [row.status for row in executions(sqlite_hub, one)] == ["COMPLETED"], 60)
    change(sqlite_hub, one, next_run_at=None)
    triggered = scheduler.call("POST", f"trigger/{one}", 202)
    story = lambda: engine.client.get(f"/api/execution/{triggered['execution_id']}").json()["data"]  # noqa: E731
    eventually(lambda: story()["state"] == "COMPLETED", 60)
    assert story()["trigger"] == "manual"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"TICK": "soon", "SECRET_KEY": "short"},
            ["REPORT_HUB_TICK: ", "REPORT_HUB_SECRET_KEY: must have at least 32"],
        ),
        ({"HOST": "0.0.0.0"}, ["listen on loopback only"]),
        ({"DATABASE_URL": "oracle://x"}, ["REPORT_HUB_DATABASE_URL: The Report Hub database must be sqlite"]),
        ({"DATABASE_URL": "mysql://hub:geheim@127.0.0.1:9/hub"}, ["does not answer", "refused"]),
    ],
)
def test_a_setting_that_cannot_be_used_ends_the_start_with_78_and_a_line_each(
    tmp_path: Path, settings: dict[str, str], words: list[str]
) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("REPORT_HUB_")}
    environment |= {f"REPORT_HUB_{name}": value for name, value in {"DATA_DIR": str(tmp_path), **settings}.items()}
    command = [sys.executable, "-m", "scheduler"]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 78, ended.stderr
    assert all(word in ended.stderr for word in words), ended.stderr
    assert "Traceback" not in ended.stderr
    assert "geheim" not in ended.stderr
    assert len(ended.stderr.splitlines()) <= 1 + len(words)


def test_it_starts_fast_whatever_the_number_of_schedules(sqlite_hub: Database, start: Start) -> None:
    ahead = datetime.now(UTC) + timedelta(days=1)
    add_schedules(sqlite_hub, add_report(sqlite_hub), 20_000, next_run_at=ahead)
    service: Service = start(sqlite_hub).ready()
    one = add_schedule(sqlite_hub, 1, next_run_at=soon())
    eventually(lambda: bool(slots(sqlite_hub, one)), 5)
    assert service.call("GET", "jobs?limit=1")["total"] >= 20_000
