"""Through the real engine in its own process: test, tables, preview, validation, execution, files, events."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.conftest import SECRET_KEY
from tests.api.hub import Hub, fields
from tests.services.databases import free_port

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[Hub]:
    """A hub whose engine is a real one; both work on the same data folder. One report over 30 orders."""
    data, port = tmp_path_factory.mktemp("engine") / "data", free_port()
    address = f"http://127.0.0.1:{port}"
    made = Hub({"data_dir": data, "secret_key": SECRET_KEY, "engine_url": address})
    made.start_again(migrated)
    variables = {"DATA_DIR": str(data), "SECRET_KEY": SECRET_KEY, "ENGINE_PORT": str(port), "POLL": "0.1"}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("REPORT_HUB_")}
    environment |= {f"REPORT_HUB_{name}": value for name, value in variables.items()}
    with (data / "engine.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "execution_engine"], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
    try:
        _wait_until_ready(address, process, data / "engine.log")
        made.report(
            made.datasource()["id"],
            "Umsätze",
            query="SELECT id, customer, amount FROM orders WHERE id <= :upto",
            parameters=[{"name": "upto", "type": "integer", "default": 30}],
            formats=["csv", "xlsx"],
        )
        yield made
    finally:
        process.terminate()
        process.wait(30)
        made.close()


def _wait_until_ready(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{address}/ready", timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.05)
    pytest.fail(f"the engine did not start: {log.read_text()[-2000:]}")


def test_a_datasource_answers_with_product_and_version(hub: Hub) -> None:
    answer = hub.post("/api/datasources/1/test", status=200)
    assert answer["server"].startswith("SQLite 3.")
    assert answer["seconds"] >= 0


def test_a_datasource_whose_file_is_missing_says_so(hub: Hub) -> None:
    body = {"name": "Missing", "type": "sqlite", "connection_config": {"path": "missing.sqlite"}}
    made = hub.post("/api/datasources", body)
    problem = hub.post(f"/api/datasources/{made['id']}/test", status=422)
    assert (problem["error"], problem["message"]) == (
        "SOURCE_REJECTED",
        "The file of this datasource does not exist.",
    )


def test_tables_have_columns_with_types(hub: Hub) -> None:
    (table,) = hub.get("/api/datasources/1/tables")
    assert (table["name"], table["kind"], table["schema"]) == ("orders", "table", None)
    assert [column["name"] for column in table["columns"]] == ["id", "customer", "amount"]
    assert all(column["type"] for column in table["columns"])


def test_a_preview_shows_the_first_rows_and_that_there_are_more(hub: Hub) -> None:
    preview = hub.get("/api/reports/1/preview?limit=2")
    assert [column["name"] for column in preview["columns"]] == ["id", "customer", "amount"]
    assert preview["rows"] == [[1, "Kundin 1 ä€", "1.50"], [2, "Kundin 2 ä€", "2.50"]]
    assert preview["truncated"] is True
    assert len(hub.get("/api/reports/1/preview?param=upto=3")["rows"]) == 3


def test_a_preview_with_a_wrong_parameter_names_it(hub: Hub) -> None:
    assert fields(hub.get("/api/reports/1/preview?param=upto=many", status=422)) == ["parameters.upto"]


def test_a_query_can_be_looked_at_before_it_is_a_report(hub: Hub) -> None:
    body = {"datasource_id": 1, "query": "SELECT count(*) AS n FROM orders"}
    assert hub.post("/api/preview", body, status=200)["rows"] == [[30]]


@pytest.mark.parametrize(
    "query",
    [
        {"query": "SELECT id, amount FROM orders WHERE id = :id", "parameters": [{"name": "id", "type": "integer"}]},
        {"query_spec": {"table": "orders", "fields": [{"column": "id"}, {"column": "amount"}]}},
    ],
)
def test_a_good_query_is_valid_and_described(hub: Hub, query: dict[str, Any]) -> None:
    answer = hub.post("/api/validate-query", {"datasource_id": 1} | query, status=200)
    assert (answer["valid"], [column["name"] for column in answer["columns"]]) == (True, ["id", "amount"])
    assert answer["sql"].startswith("SELECT")


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("SELECT id\nFROM orders; DELETE FROM orders", 2),
        ("DELETE FROM orders", 1),
        ("SELECT load_extension('x')", 1),
        ("SELECT FROM WHERE", None),
        ("SELECT nothing FROM orders", None),
    ],
)
def test_a_bad_query_is_a_good_answer_with_the_reason(hub: Hub, query: str, place: int | None) -> None:
    answer = hub.post("/api/validate-query", {"datasource_id": 1, "query": query}, status=200)
    assert answer["valid"] is False
    assert answer["message"]
    assert place is None or answer["line"] == place


def test_a_report_is_executed_and_its_files_are_downloaded(hub: Hub) -> None:
    body = {"parameters": {"upto": 5}, "wait_seconds": 60}
    accepted = hub.post("/api/reports/1/execute", body, status=202)
    story = hub.get(f"/api/executions/{accepted['execution_id']}")
    assert (story["state"], story["row_count"], story["completeness"]) == ("COMPLETED", 5, "COMPLETE")
    response = hub.client.get(f"/api/executions/{accepted['execution_id']}/download?format=csv")
    rows = list(csv.reader(io.StringIO(response.content.decode("utf-8-sig"))))
    assert [row[0] for row in rows] == ["id", "1", "2", "3", "4", "5"]
    assert "filename*=UTF-8''Ums%C3%A4tze_" in response.headers["content-disposition"]
    book = hub.client.get(f"/api/executions/{accepted['execution_id']}/download?format=xlsx")
    assert book.content.startswith(b"PK")


def test_the_same_key_gives_the_same_execution_and_another_body_is_refused(hub: Hub) -> None:
    headers = {"Idempotency-Key": "nightly-7"}
    first = hub.send("POST", "/api/reports/1/execute", {"formats": ["csv"]}, headers=headers)
    second = hub.send("POST", "/api/reports/1/execute", {"formats": ["csv"]}, headers=headers)
    assert first.json()["data"]["execution_id"] == second.json()["data"]["execution_id"]
    assert second.headers["idempotent-replayed"] == "true"
    hub.post("/api/reports/1/execute", {"formats": ["xlsx"]}, headers=headers, status=422)


def test_events_follow_an_execution_to_its_end(hub: Hub) -> None:
    accepted = hub.post("/api/reports/1/execute", {"formats": ["csv"]}, status=202)
    text = hub.client.get(f"/api/executions/{accepted['execution_id']}/events").text
    assert text.count("event: done") == 1
    assert text.strip().rpartition("\n\n")[2].startswith("event: done")
    assert '"state":"COMPLETED"' in text.rpartition("event: done")[2]


def test_an_ended_execution_cannot_be_cancelled(hub: Hub) -> None:
    accepted = hub.post("/api/reports/1/execute", {"formats": ["csv"], "wait_seconds": 60}, status=202)
    problem = hub.post(f"/api/executions/{accepted['execution_id']}/cancel", status=409)
    assert "ended already" in problem["message"]


def test_a_test_of_a_folder_delivery_arrives_there(hub: Hub) -> None:
    delivery = hub.delivery(1, "Share")
    answer = hub.post(f"/api/deliveries/{delivery['id']}/test", status=200)
    assert answer["message"]
    (arrived,) = (hub.files / "out").iterdir()
    assert "test" in arrived.name.lower()


def test_an_inactive_report_is_not_executed(hub: Hub) -> None:
    report = hub.report(1, "Off", is_active=False)
    assert "switched off" in hub.post(f"/api/reports/{report['id']}/execute", status=409)["message"]


def test_the_engine_notes_on_whose_behalf_it_was_asked(hub: Hub) -> None:
    accepted = hub.post("/api/reports/1/execute", {"formats": ["csv"], "wait_seconds": 60}, status=202)
    page = hub.get(f"/api/audit?object_type=execution&object_id={accepted['execution_id']}&action=execution.accepted")
    assert [entry["actor"] for entry in page["items"]] == ["service:config_api for local"]
