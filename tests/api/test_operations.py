"""What operators rely on: alive, ready, version, metrics, request ids, and one form for every refusal."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import text

from shared import __version__
from tests.api.conftest import BOOTSTRAP, MakeHub
from tests.api.hub import Hub


class TestReady:
    def test_it_names_what_it_has_asked(self, hub: Hub) -> None:
        assert hub.get("/ready") == {"service": "config_api", "checks": ["database", "schema"]}

    def test_a_database_that_is_down_is_named(self, make_hub: MakeHub) -> None:
        hub = make_hub(database_url="postgresql://nobody:S3cr3t@127.0.0.1:9/none")
        problem = hub.get("/ready", status=503)
        assert problem["message"] == "Not ready: database, schema down."
        assert [detail["field"] for detail in problem["details"]] == ["database", "schema"]
        assert "S3cr3t" not in str(problem)
        assert "127.0.0.1" not in str(problem)

    def test_an_old_schema_is_named(self, hub: Hub) -> None:
        with hub.context.database.engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
        problem = hub.get("/ready", status=503)
        assert [detail["field"] for detail in problem["details"]] == ["schema"]

    def test_a_service_that_stops_is_not_ready(self, hub: Hub) -> None:
        hub.context.stopping.set()
        try:
            assert "service" in hub.get("/ready", status=503)["message"]
        finally:
            hub.context.stopping.clear()

    def test_without_a_database_the_process_is_alive_and_answers_503(self, make_hub: MakeHub) -> None:
        hub = make_hub(database_url="postgresql://nobody@127.0.0.1:9/none")
        assert hub.get("/health") == {"service": "config_api"}
        assert hub.get("/api/reports", status=503)["error"] == "SERVICE_UNAVAILABLE"


def test_the_version_is_told(hub: Hub) -> None:
    assert hub.get("/version") == {"service": "config_api", "version": __version__}


class TestMetrics:
    def test_requests_are_counted_by_route_and_status(self, hub: Hub) -> None:
        def count(labels: str) -> float:
            found = re.search(re.escape(labels) + r"\} ([0-9.]+)", hub.client.get("/metrics").text)
            return float(found.group(1)) if found else 0.0

        labels = 'report_hub_http_requests_total{method="GET",route="/api/reports/{id}",status="404"'
        before = count(labels)
        hub.get("/api/reports/77", status=404)
        hub.get("/api/reports/78", status=404)
        assert count(labels) == before + 2

    def test_labels_do_not_grow_with_what_strangers_ask(self, hub: Hub) -> None:
        for number in range(20):
            hub.get(f"/nothing/{number}", status=404)
            hub.send("GET", f"/api/reports/{number}x")
        text = hub.client.get("/metrics").text
        assert "/nothing" not in text
        assert hub.client.get("/metrics").headers["content-type"].startswith("text/plain; version=0.0.4")


class TestRequestIds:
    @pytest.mark.parametrize("given", ["abc", "A.b_c-1", "x" * 128])
    def test_a_plain_one_is_taken(self, hub: Hub, given: str) -> None:
        assert hub.send("GET", "/health", headers={"X-Request-ID": given}).headers["x-request-id"] == given

    @pytest.mark.parametrize("given", ["", "a b", "x" * 129, "<b>", "a;b", "ä".encode().decode("latin-1")])
    def test_any_other_is_replaced(self, hub: Hub, given: str) -> None:
        headers = {"X-Request-ID": given.encode("latin-1")}
        answered = hub.send("GET", "/health", headers=headers).headers["x-request-id"]  # type: ignore[arg-type]
        assert re.fullmatch("[0-9a-f]{32}", answered)

    def test_every_answer_has_its_own(self, hub: Hub) -> None:
        assert len({hub.send("GET", "/health").headers["x-request-id"] for _ in range(5)}) == 5


class TestOneForm:
    @pytest.mark.parametrize("path", ["/nothing", "/api/nothing", "/api", "/api/users", "/api/tenants", "/api/records"])
    def test_an_unknown_path_is_a_404_in_the_envelope(self, hub: Hub, path: str) -> None:
        assert hub.get(path, status=404)["error"] == "NOT_FOUND"

    @pytest.mark.parametrize(("method", "path"), [("PUT", "/api/reports"), ("POST", "/health"), ("PATCH", "/api/keys")])
    def test_an_unknown_method_is_a_405_in_the_envelope(self, hub: Hub, method: str, path: str) -> None:
        response = hub.send(method, path)
        assert (response.status_code, response.json()["error"]) == (405, "METHOD_NOT_ALLOWED")
        assert response.headers["allow"]

    def test_a_fault_of_ours_gives_the_request_id_and_nothing_else(
        self, hub: Hub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: object) -> None:
            raise KeyError("S3cr3t detail")

        monkeypatch.setattr(hub.context.authenticator, "authenticate", broken)
        response = hub.client.get("/api/reports", headers={"X-Request-ID": "abc"})
        assert (response.status_code, response.json()["error"]) == (500, "INTERNAL_ERROR")
        assert response.json()["request_id"] == response.headers["x-request-id"] == "abc"
        assert "S3cr3t" not in response.text
        assert "Traceback" not in response.text

    def test_the_start_page_leads_to_the_documentation(self, hub: Hub) -> None:
        response = hub.send("GET", "/")
        assert (response.status_code, response.headers["location"]) == (307, "/docs")

    def test_the_bootstrap_key_is_in_no_answer(self, closed_hub: Hub) -> None:
        for path in ("/ready", "/version", "/metrics", "/openapi.json", "/docs", "/api/keys", "/api/audit"):
            assert BOOTSTRAP not in closed_hub.client.get(path).text
