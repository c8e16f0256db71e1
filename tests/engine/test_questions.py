"""Quick questions: preview, validation, connection tests, tables, test deliveries, and whether the engine is ready."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import create_engine, make_url, text

from shared.db.database import Database
from shared.db.migrate import upgrade
from shared.db.models import Delivery, Execution
from tests.engine.hub import Desk, EngineProcess
from tests.services.databases import TestDatabase
from tests.services.hub import eventually


def _ask(engine: EngineProcess, path: str, body: Any = None) -> httpx.Response:
    return engine.client.post(f"/api/{path}", json=body)


def _data(response: httpx.Response) -> Any:
    assert response.status_code == 200, response.text
    return response.json()["data"]


def test_a_preview_shows_the_first_rows_and_stores_nothing(engine: EngineProcess) -> None:
    desk = engine.desk
    source = desk.sqlite(30)
    before = desk.count(Execution)
    shown = _data(_ask(engine, "preview", {"datasource_id": source.id, "query": "SELECT * FROM sales", "limit": 3}))
    assert [column["name"] for column in shown["columns"]] == ["id", "name", "amount"]
    assert [row[0] for row in shown["rows"]] == [1, 2, 3]
    assert shown["truncated"] is True
    assert desk.count(Execution) == before


def test_a_preview_of_a_report_takes_its_parameters(engine: EngineProcess) -> None:
    desk = engine.desk
    most = {"name": "most", "type": "integer", "default": 2}
    report = desk.report(desk.sqlite(9), "SELECT id FROM sales WHERE id <= :most", parameters=[most])
    assert _data(_ask(engine, "preview", {"config_id": report.id}))["rows"] == [[1], [2]]
    shown = _data(_ask(engine, "preview", {"config_id": report.id, "parameters": {"most": 1}}))
    assert (shown["rows"], shown["truncated"]) == ([[1]], False)


def test_numbers_that_json_would_round_are_text(engine: EngineProcess) -> None:
    source = engine.desk.sqlite(1)
    query = "SELECT 9007199254740993 AS big, 9007199254740992 AS fits, NULL AS empty, x'00ff' AS bytes"
    shown = _data(_ask(engine, "preview", {"datasource_id": source.id, "query": query}))
    assert shown["rows"] == [["9007199254740993", 9007199254740992, None, "AP8="]]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "datasource_id"),
        ({"datasource_id": "SOURCE"}, "query"),
        ({"datasource_id": "SOURCE", "query": "SELECT 1", "limit": 0}, "limit"),
        ({"datasource_id": "SOURCE", "query": "SELECT 1", "timezone": "Mars"}, "timezone"),
        (
            {"datasource_id": "SOURCE", "query": "SELECT 1", "parameter_specs": [{"name": "a", "type": "money"}]},
            "parameter_specs.0.type",
        ),
    ],
)
def test_a_preview_names_what_does_not_fit(engine: EngineProcess, body: dict[str, Any], field: str) -> None:
    source = engine.desk.sqlite(1)
    response = _ask(engine, "preview", {k: source.id if v == "SOURCE" else v for k, v in body.items()})
    assert response.status_code == 422, response.text
    assert field in [detail["field"] for detail in response.json()["details"]]


def test_a_good_query_is_valid_and_described(engine: EngineProcess) -> None:
    source = engine.desk.sqlite(1)
    body = {
        "datasource_id": source.id,
        "query": "SELECT id, id FROM sales WHERE id > :least",
        "parameters": {"least": 0},
    }
    answer = _data(_ask(engine, "validate-query", body))
    assert answer["valid"] is True
    assert answer["columns"][0]["name"] == "id"
    assert "SELECT" in answer["sql"]


@pytest.mark.parametrize(
    ("query", "line"),
    [("SELECT id,\n  load_extension('x')\nFROM sales", 2), ("DELETE FROM sales", 1), ("SELECT 1;\nSELECT 2", 1)],
)
def test_a_refused_query_is_an_answer_with_line_and_column(engine: EngineProcess, query: str, line: int) -> None:
    source = engine.desk.sqlite(1)
    answer = _data(_ask(engine, "validate-query", {"datasource_id": source.id, "query": query}))
    assert answer["valid"] is False
    assert answer["line"] == line
    assert answer["column"] >= 1
    assert answer["message"]


def test_a_query_that_the_server_does_not_know_is_an_answer_too(engine: EngineProcess) -> None:
    source = engine.desk.sqlite(1)
    answer = _data(_ask(engine, "validate-query", {"datasource_id": source.id, "query": "SELECT nope FROM sales"}))
    assert answer["valid"] is False
    assert "nope" in f"{answer['message']} {answer['hint']}"


def test_the_tables_of_a_datasource_are_listed_with_types(engine: EngineProcess) -> None:
    source = engine.desk.sqlite(1)
    (table,) = _data(engine.client.get(f"/api/datasource-tables/{source.id}"))
    assert (table["name"], table["kind"]) == ("sales", "table")
    assert [(c["name"], c["is_primary_key"]) for c in table["columns"]] == [
        ("id", True),
        ("name", False),
        ("amount", False),
    ]


def test_a_datasource_that_answers_names_its_product(
    engine: EngineProcess, postgres_database: TestDatabase, mariadb_database: TestDatabase
) -> None:
    for kind, served, product in [
        ("postgresql", postgres_database, "PostgreSQL"),
        ("mysql", mariadb_database, "MariaDB"),
    ]:
        answer = _data(_ask(engine, f"test-datasource/{engine.desk.datasource(kind, served.config).id}"))
        assert product in answer["server"]


@pytest.mark.parametrize(
    ("changes", "layer", "status"),
    [
        ({"host": "no-such-host.invalid"}, "Name:", 502),
        ({"port": 1}, "Network:", 502),
        ({"database": "no_such_database"}, "Database:", 422),
    ],
)
@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_a_datasource_that_fails_names_the_layer(
    engine: EngineProcess, kind: str, changes: dict[str, Any], layer: str, status: int, request: pytest.FixtureRequest
) -> None:
    served: TestDatabase = request.getfixturevalue("postgres_database" if kind == "postgresql" else "mariadb_database")
    source = engine.desk.datasource(kind, {**served.config, **changes})
    response = _ask(engine, f"test-datasource/{source.id}")
    assert response.json()["message"].startswith(layer)
    assert response.json()["hint"]
    assert response.status_code == status


def test_a_refused_login_is_named(engine: EngineProcess, mariadb_database: TestDatabase) -> None:
    source = engine.desk.datasource("mysql", {**mariadb_database.config, "username": "rh_nobody"})
    response = _ask(engine, f"test-datasource/{source.id}")
    assert response.status_code == 422
    assert response.json()["message"].startswith("Login:")


def test_unknown_things_are_not_found(engine: EngineProcess) -> None:
    answers = [
        _ask(engine, "test-datasource/99999"),
        _ask(engine, "test-delivery/99999"),
        _ask(engine, "preview", {"config_id": 99999}),
    ]
    assert [answer.status_code for answer in answers] == [404, 404, 404]


def test_a_test_delivery_sends_a_marked_file_and_answers_in_the_words_of_the_place(engine: EngineProcess) -> None:
    desk = engine.desk
    report = desk.scripted()
    folder = desk.folder(report, "tested")
    log = desk.flaky(report, ["ok"], "a@x.org")
    with desk.database.reading() as session:
        to_folder, to_mail = session.query(Delivery).filter_by(config_id=report.id).order_by(Delivery.id)
    assert "1 file, " in _data(_ask(engine, f"test-delivery/{to_folder.id}"))["message"]
    assert [path.name for path in folder.iterdir()] == ["TEST_report-hub-test.txt"]
    assert _data(_ask(engine, f"test-delivery/{to_mail.id}")) == {"message": "250 thank you", "recipient": "a@x.org"}
    assert _data(_ask(engine, f"test-delivery/{to_mail.id}", {"recipient": "me@x.org"}))["recipient"] == "me@x.org"
    assert [json.loads(line)["test"] for line in log.read_text().splitlines()] == [True, True]


def test_a_test_delivery_that_fails_says_why(engine: EngineProcess) -> None:
    desk = engine.desk
    report = desk.scripted()
    desk.flaky(report, ["refused"])
    with desk.database.reading() as session:
        (delivery,) = session.query(Delivery).filter_by(config_id=report.id)
    response = _ask(engine, f"test-delivery/{delivery.id}")
    assert (response.status_code, response.json()["error"]) == (422, "DELIVERY_REFUSED")


def test_a_question_that_takes_too_long_ends(engine: EngineProcess) -> None:
    desk = engine.desk
    response = _ask(engine, "preview", {"config_id": desk.scripted({"until": "/nowhere"}).id})
    assert response.json()["error"] == "TIME_LIMIT_REACHED"
    assert _data(_ask(engine, "preview", {"config_id": desk.scripted({"rows": 2}).id}))["rows"] == [[0], [1]]


def test_not_ready_names_what_is_down(engine: EngineProcess) -> None:
    artifacts, elsewhere = engine.desk.data_dir / "artifacts", engine.desk.data_dir / "elsewhere"
    assert engine.client.get("/ready").status_code == 200
    artifacts.rename(elsewhere)
    try:
        artifacts.write_text("a file where the folder was")
        response = engine.client.get("/ready")
    finally:
        artifacts.unlink()
        elsewhere.rename(artifacts)
    assert response.status_code == 503
    assert "artifact store" in response.json()["message"]
    assert "database" not in response.json()["message"]


def test_an_engine_outlives_an_outage_of_its_database(
    tmp_path: Path, postgres_database: TestDatabase, start_engine: Callable[..., EngineProcess]
) -> None:
    database = Database(postgres_database.url)
    upgrade(database)
    desk = Desk(database, tmp_path)
    desk.files.mkdir()
    engine = start_engine(desk, LEASE="20", HEARTBEAT="0.3").ready()
    started, gate = tmp_path / "started", tmp_path / "gate"
    execution_id = engine.start(desk.scripted({"started": str(started), "until": str(gate)}))
    eventually(started.exists, 30)
    with _unreachable(postgres_database):
        response = engine.client.get("/ready")
        assert response.status_code == 503
        assert "database" in response.json()["message"]
        assert "artifact store" not in response.json()["message"]
        gate.touch()
        eventually(lambda: "does not answer" in engine.log, 10)
    story = engine.ended(execution_id)
    assert (story["state"], story["attempt"]) == ("COMPLETED", 1)
    database.close()


@contextmanager
def _unreachable(served: TestDatabase) -> Iterator[None]:
    """Nobody gets into the database; those who are in are thrown out."""
    server = create_engine(make_url(served.url).set(database="postgres"), isolation_level="AUTOCOMMIT")
    others = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
    with server.connect() as connection:
        connection.execute(text(f"ALTER DATABASE {served.name} ALLOW_CONNECTIONS false"))
        connection.execute(others, {"name": served.name})
        try:
            yield
        finally:
            connection.execute(text(f"ALTER DATABASE {served.name} ALLOW_CONNECTIONS true"))
    server.dispose()


def test_health_version_and_metrics_answer(engine: EngineProcess) -> None:
    assert engine.client.get("/health").status_code == 200
    assert engine.client.get("/version").json()["data"]["service"] == "execution_engine"
    assert "report_hub_execution_seconds" in engine.client.get("/metrics").text
