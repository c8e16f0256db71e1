"""The engine is down, slow, or talks nonsense: each time one sentence with the right code, and nothing else breaks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.auth import ServiceIdentity
from shared.errors import ServiceUnavailable
from shared.services import EngineClient
from tests.api.conftest import SECRET_KEY
from tests.api.fake_engine import FakeEngine, fake_engine
from tests.api.history import add_execution
from tests.api.hub import Hub

EXECUTION = "01a20f9c-079b-764f-b917-cb88bc0246c5"
ACCEPTED = {"execution_id": EXECUTION, "config_id": 1, "status": "QUEUED"}
ASKS = [
    ("GET", "/api/datasources/1/tables", None),
    ("POST", "/api/datasources/1/test", None),
    ("POST", "/api/reports/1/execute", {"formats": ["csv"]}),
    ("GET", "/api/reports/1/preview", None),
    ("POST", "/api/validate-query", {"datasource_id": 1, "query": "SELECT 1"}),
    ("POST", "/api/preview", {"datasource_id": 1, "query": "SELECT 1"}),
    ("POST", "/api/schedules/1/run", None),
    ("POST", "/api/deliveries/1/test", None),
    ("POST", "/api/executions/{running}/cancel", None),
]


def error(code: str, **fields: Any) -> dict[str, Any]:
    """An error as the engine says it."""
    answer = {"status": "error", "error": code, "message": "It went wrong.", "hint": "Mend it.", "details": []}
    return answer | {"request_id": "x"} | fields


@pytest.fixture(scope="module")
def one_engine() -> Iterator[FakeEngine]:
    with fake_engine() as found:
        yield found


@pytest.fixture(scope="module")
def one_hub(one_engine: FakeEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    data = tmp_path_factory.mktemp("asking") / "data"
    hub = Hub({"data_dir": data, "secret_key": SECRET_KEY, "engine_url": one_engine.address})
    yield hub
    hub.close()


@pytest.fixture
def engine(one_engine: FakeEngine) -> FakeEngine:
    one_engine.start_again()
    return one_engine


@pytest.fixture
def asking(one_hub: Hub, engine: FakeEngine, migrated: Path) -> Hub:
    """A hub with one of each kind, and the fake engine."""
    one_hub.start_again(migrated)
    one_hub.everything()
    return one_hub


@pytest.fixture
def running(asking: Hub) -> str:
    return add_execution(asking, 1, status="RUNNING")


@pytest.mark.parametrize(("method", "path", "body"), ASKS, ids=lambda value: value if isinstance(value, str) else None)
class TestEveryAsk:
    def test_an_engine_that_is_down_is_a_503(self, hub: Hub, method: str, path: str, body: Any) -> None:
        hub.everything()
        running = add_execution(hub, 1, status="RUNNING")
        problem = hub.call(method, path.format(running=running), body, status=503)
        assert (problem["error"], problem["message"]) == (
            "SERVICE_UNAVAILABLE",
            "The execution engine does not answer.",
        )

    @pytest.mark.parametrize(
        ("status", "answer"),
        [
            (200, b"<html>It works!</html>"),
            (200, b""),
            (200, []),
            (200, "ok"),
            (200, {}),
            (200, {"status": "success"}),
            (200, {"status": "success", "data": {"strange": True}}),
            (200, {"status": "success", "data": None}),
            (500, b"Internal Server Error"),
            (502, b"<html>Bad Gateway</html>"),
            (404, {"detail": "Not Found"}),
            (422, {"status": "error", "error": "VALIDATION_ERROR", "message": "x", "details": "garbage"}),
            (422, {"status": "error", "error": "VALIDATION_ERROR", "message": "x", "details": [{"field": 1}]}),
        ],
    )
    def test_an_answer_that_cannot_be_read_is_a_503(
        self, asking: Hub, engine: FakeEngine, running: str, method: str, path: str, body: Any, status: int, answer: Any
    ) -> None:
        engine.then(status, answer)
        problem = asking.call(method, path.format(running=running), body, status=503)
        assert problem["message"] == "The execution engine gave an answer that cannot be read."

    @pytest.mark.parametrize(
        ("code", "status"),
        [
            ("SOURCE_UNAVAILABLE", 502),
            ("SOURCE_REJECTED", 422),
            ("QUERY_REFUSED", 422),
            ("DELIVERY_REFUSED", 422),
            ("CONFLICT", 409),
            ("TIME_LIMIT_REACHED", 422),
            ("MISSING_DRIVER", 422),
            ("ADDRESS_BLOCKED", 422),
            ("STORAGE_FULL", 503),
            ("SERVICE_UNAVAILABLE", 503),
            ("TOO_MANY_REQUESTS", 429),
        ],
    )
    def test_an_error_keeps_its_code_words_and_details(
        self, asking: Hub, engine: FakeEngine, running: str, method: str, path: str, body: Any, code: str, status: int
    ) -> None:
        engine.then(status, error(code, details=[{"field": "query", "message": "is wrong"}]))
        problem = asking.call(method, path.format(running=running), body, status=status)
        assert (problem["error"], problem["message"], problem["hint"]) == (code, "It went wrong.", "Mend it.")
        assert problem["details"] == [{"field": "query", "message": "is wrong"}]

    @pytest.mark.parametrize(("status", "code"), [(401, "NOT_AUTHENTICATED"), (403, "NOT_ALLOWED")])
    def test_a_key_of_the_services_that_differs_is_not_the_callers_fault(
        self, asking: Hub, engine: FakeEngine, running: str, method: str, path: str, body: Any, status: int, code: str
    ) -> None:
        engine.then(status, error(code))
        problem = asking.call(method, path.format(running=running), body, status=503)
        assert "REPORT_HUB_SECRET_KEY" in problem["hint"]

    def test_the_ask_is_signed_and_carries_tenant_actor_and_request_id(
        self, asking: Hub, engine: FakeEngine, running: str, method: str, path: str, body: Any
    ) -> None:
        engine.then(503, error("SERVICE_UNAVAILABLE"))
        headers = {"X-Request-ID": "trace-7"}
        asking.call(method, path.format(running=running), body, headers=headers, status=503)
        (ask,) = engine.asks
        assert ask.headers["x-request-id"] == "trace-7"
        caller = ServiceIdentity(asking.context.vault.service_key).check(ask.headers["authorization"].split()[1])
        assert caller is not None
        assert (caller.service, caller.tenant_id, caller.actor) == ("config_api", 1, "local")


class TestExecute:
    @pytest.mark.parametrize("path", ["/api/reports/1/execute", "/api/schedules/1/run"])
    def test_the_idempotency_key_is_passed_on_and_a_replay_is_told(
        self, asking: Hub, engine: FakeEngine, path: str
    ) -> None:
        engine.then(202, {"status": "success", "data": ACCEPTED})
        engine.then(202, {"status": "success", "data": ACCEPTED}, headers={"Idempotent-Replayed": "true"})
        first = asking.send("POST", path, headers={"Idempotency-Key": "k-1"})
        second = asking.send("POST", path, headers={"Idempotency-Key": "k-1"})
        assert [ask.headers["idempotency-key"] for ask in engine.asks] == ["k-1", "k-1"]
        assert (first.status_code, first.json()["data"]) == (202, ACCEPTED)
        assert "idempotent-replayed" not in first.headers
        assert second.headers["idempotent-replayed"] == "true"

    def test_what_was_asked_for_arrives_at_the_engine(self, asking: Hub, engine: FakeEngine) -> None:
        engine.then(202, {"status": "success", "data": ACCEPTED})
        body = {
            "parameters": {"month": "2026-10-01"}, "formats": ["csv"], "deliver": False, "delivery_ids": [1],
            "scheduled_for": "2026-11-01T07:00:00Z", "wait_seconds": 0.5,
        }  # fmt: skip
        asking.post("/api/reports/1/execute", body, status=202)
        assert (engine.asks[0].path, engine.asks[0].body) == ("/api/execute/1", body)

    def test_a_schedule_runs_with_its_own_settings(self, asking: Hub, engine: FakeEngine) -> None:
        changes = {"timezone": "Europe/Berlin", "formats": ["xlsx"], "delivery_ids": [1]}
        asking.patch("/api/schedules/1", changes)
        engine.then(202, {"status": "success", "data": ACCEPTED})
        asking.post("/api/schedules/1/run", status=202)
        assert engine.asks[0].body == changes | {"parameters": {}, "schedule_id": 1}

    @pytest.mark.parametrize("body", [{"format": "csv"}, {"wait_seconds": 61}, {"deliver": "no"}, {"formats": []}])
    def test_a_wrong_body_does_not_reach_the_engine(
        self, asking: Hub, engine: FakeEngine, body: dict[str, Any]
    ) -> None:
        asking.post("/api/reports/1/execute", body, status=422)
        assert engine.asks == []


class TestPreview:
    def test_parameters_of_the_query_string_become_values(self, asking: Hub, engine: FakeEngine) -> None:
        preview = {"columns": [], "rows": [], "truncated": False, "sql": "SELECT 1", "seconds": 0.1}
        engine.then(200, {"status": "success", "data": preview})
        asking.get("/api/reports/1/preview?limit=5&param=a=1&param=b=x=y")
        assert engine.asks[0].body == {"config_id": 1, "parameters": {"a": "1", "b": "x=y"}, "limit": 5}

    @pytest.mark.parametrize("query", ["param=a", "limit=0", "limit=10001", "prm=a=1"])
    def test_a_wrong_query_string_does_not_reach_the_engine(self, asking: Hub, engine: FakeEngine, query: str) -> None:
        asking.get(f"/api/reports/1/preview?{query}", status=422)
        assert engine.asks == []

    def test_line_and_column_of_a_refused_query_are_kept(self, asking: Hub, engine: FakeEngine) -> None:
        engine.then(422, error("QUERY_REFUSED", line=2, column=7))
        problem = asking.get("/api/reports/1/preview", status=422)
        assert (problem["line"], problem["column"]) == (2, 7)


def test_an_engine_that_does_not_answer_in_time_is_a_503(engine: FakeEngine) -> None:
    release = threading.Event()
    engine.then(200, {}, holds=release)
    client = EngineClient(engine.address, ServiceIdentity(b"k" * 32), "test")
    try:
        with pytest.raises(ServiceUnavailable, match="in time"):
            client.call("POST", "/api/execute/1", 1, {}, timeout=0.1)
    finally:
        release.set()
        client.close()


def test_a_retry_is_accepted_although_the_engine_is_down(asking: Hub, engine: FakeEngine) -> None:
    failed = add_execution(asking, 1, status="FAILED")
    engine.then(503, error("SERVICE_UNAVAILABLE"))
    accepted = asking.post(f"/api/executions/{failed}/retry", status=202)
    assert engine.asks[0].body == {"execution_ids": [accepted["execution_id"]]}
    assert asking.get(f"/api/executions/{accepted['execution_id']}")["status"] == "QUEUED"


def test_settings_of_the_environment_do_not_bend_the_way_to_the_engine(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    engine.then(200, {"status": "success", "data": 1})
    client = EngineClient(engine.address, ServiceIdentity(b"k" * 32), "test")
    assert client.call("GET", "/x", 1) == 1
    client.close()
