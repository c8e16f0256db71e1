"""Who may ask: API keys with roles, and open mode on loopback only."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from shared.auth import make_key
from shared.db.models import ApiKey
from shared.errors import InvalidInput
from tests.api.conftest import BOOTSTRAP
from tests.api.hub import Hub, fields, own_settings

MakeClient = Callable[..., TestClient]


@pytest.fixture
def as_role(closed_hub: Hub) -> MakeClient:
    """A client with a key of that role, made through the API."""

    def make(role: str, **fields: Any) -> TestClient:
        made = closed_hub.post("/api/keys", {"name": role, "role": role, **fields})
        return closed_hub.visitor({"X-API-Key": made["key"]})

    return make


class TestKeys:
    def test_without_a_key_nobody_gets_in(self, closed_hub: Hub) -> None:
        stranger = closed_hub.visitor()
        response = closed_hub.send("GET", "/api/reports", client=stranger)
        assert (response.status_code, response.json()["error"]) == (401, "NOT_AUTHENTICATED")
        assert response.headers["www-authenticate"] == "Bearer"

    def test_every_route_below_api_needs_a_key(self, closed_hub: Hub) -> None:
        stranger, paths = closed_hub.visitor(), closed_hub.app.openapi()["paths"]
        guarded = [(method, path) for path, methods in paths.items() for method in methods if path.startswith("/api")]
        assert len(guarded) > 40
        for method, path in guarded:
            response = closed_hub.send(method.upper(), path.replace("{id}", "1"), client=stranger)
            assert response.status_code == 401, (method, path)

    @pytest.mark.parametrize("path", ["/health", "/ready", "/version", "/metrics", "/docs", "/openapi.json"])
    def test_what_operators_ask_needs_none(self, closed_hub: Hub, path: str) -> None:
        assert closed_hub.visitor().get(path).status_code == 200

    def test_a_strange_host_header_opens_no_door(self, closed_hub: Hub) -> None:
        for host in ("x/health?", "x/health#", "evil/../health?"):
            response = closed_hub.visitor({"Host": host}).get("/api/plugins")
            assert response.status_code == 401, host

    @pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
    def test_a_key_may_come_as_bearer(self, closed_hub: Hub, scheme: str) -> None:
        client = closed_hub.visitor({"Authorization": f"{scheme} {BOOTSTRAP}"})
        assert closed_hub.get("/api/keys", client=client)["total"] == 0

    def test_a_made_key_works_and_is_shown_only_once(self, closed_hub: Hub) -> None:
        made = closed_hub.post("/api/keys", {"name": "Nightly", "role": "editor"})
        assert made["key"].startswith(f"{made['prefix']}_")
        client = closed_hub.visitor({"X-API-Key": made["key"]})
        assert closed_hub.get("/api/reports", client=client)["total"] == 0
        listed = closed_hub.get("/api/keys")["items"]
        assert [key["prefix"] for key in listed] == [made["prefix"]]
        assert listed[0]["last_used_at"] is not None
        assert "key" not in listed[0]
        assert "secret_hash" not in listed[0]

    def test_a_key_is_stored_as_a_hash(self, closed_hub: Hub) -> None:
        made = closed_hub.post("/api/keys", {"name": "x"})
        with closed_hub.context.database.reading() as session:
            row = session.scalars(select(ApiKey)).one()
        assert made["key"] not in str(vars(row))
        assert made["role"] == "viewer"

    def test_two_keys_work_side_by_side(self, as_role: MakeClient, closed_hub: Hub) -> None:
        for client in (as_role("viewer"), as_role("viewer")):
            closed_hub.get("/api/reports", client=client)

    def test_a_revoked_key_is_refused_at_once(self, closed_hub: Hub) -> None:
        made = closed_hub.post("/api/keys", {"name": "x"})
        client = closed_hub.visitor({"X-API-Key": made["key"]})
        closed_hub.get("/api/reports", client=client)
        revoked = closed_hub.delete(f"/api/keys/{made['id']}")
        assert revoked["revoked_at"] is not None
        closed_hub.get("/api/reports", client=client, status=401)
        assert closed_hub.delete(f"/api/keys/{made['id']}") == revoked

    def test_an_expired_key_is_refused(self, closed_hub: Hub) -> None:
        soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        made = closed_hub.post("/api/keys", {"name": "x", "expires_at": soon})
        client = closed_hub.visitor({"X-API-Key": made["key"]})
        closed_hub.get("/api/reports", client=client)
        with closed_hub.context.database.transaction() as session:
            session.execute(update(ApiKey).values(expires_at=datetime.now(UTC)))
        closed_hub.get("/api/reports", client=client, status=401)

    def test_a_key_that_has_expired_already_is_not_made(self, closed_hub: Hub) -> None:
        problem = closed_hub.post("/api/keys", {"name": "x", "expires_at": "2020-01-01T00:00:00Z"}, status=422)
        assert fields(problem) == ["expires_at"]

    def test_unknown_revoked_and_malformed_keys_get_the_same_answer(self, closed_hub: Hub) -> None:
        made = closed_hub.post("/api/keys", {"name": "x"})
        closed_hub.delete(f"/api/keys/{made['id']}")
        key = made["key"]
        swapped = key[:20] + ("a" if key[20] != "a" else "b") + key[21:]
        wrong = [
            key, make_key()[0], swapped, key.upper(), key[:-1], key + "x", "rh_", "rh__", "x" * 9000, "é", "\t",
            f"rhs_{key}", "rhs_e30.x", BOOTSTRAP[:-1], BOOTSTRAP.upper(),
        ]  # fmt: skip
        answers = set()
        for credential in wrong:
            response = closed_hub.visitor({"X-API-Key": credential.encode()}).get("/api/reports")  # type: ignore[dict-item]
            answers.add((response.status_code, response.json()["message"]))
        answers.discard((401, "An API key is needed."))  # white space only is none
        assert answers == {(401, "The API key is not valid.")}

    def test_a_key_in_the_query_string_does_not_count(self, closed_hub: Hub) -> None:
        for name in ("access_token", "api_key", "key"):
            assert closed_hub.visitor().get(f"/api/reports?{name}={BOOTSTRAP}").status_code == 401

    def test_an_unknown_key_cannot_be_revoked(self, closed_hub: Hub) -> None:
        closed_hub.delete("/api/keys/99", status=404)


class TestRoles:
    WRITES = (
        ("POST", "/api/datasources"), ("PUT", "/api/datasources/1"), ("PATCH", "/api/datasources/1"),
        ("DELETE", "/api/datasources/1"), ("POST", "/api/datasources/1/test"), ("POST", "/api/reports"),
        ("PUT", "/api/reports/1"), ("PATCH", "/api/reports/1"), ("DELETE", "/api/reports/1"),
        ("POST", "/api/reports/1/execute"), ("POST", "/api/schedules"), ("PUT", "/api/schedules/1"),
        ("PATCH", "/api/schedules/1"), ("PATCH", "/api/schedules/1/toggle"), ("POST", "/api/schedules/1/run"),
        ("DELETE", "/api/schedules/1"), ("POST", "/api/deliveries"), ("PUT", "/api/deliveries/1"),
        ("PATCH", "/api/deliveries/1"), ("DELETE", "/api/deliveries/1"), ("POST", "/api/deliveries/1/test"),
        ("POST", "/api/recipients"), ("PUT", "/api/recipients/1"), ("PATCH", "/api/recipients/1"),
        ("DELETE", "/api/recipients/1"), ("POST", "/api/executions/x/retry"), ("POST", "/api/executions/x/cancel"),
        ("DELETE", "/api/executions/x"), ("POST", "/api/dead-letters/1/replay"), ("POST", "/api/dead-letters/replay"),
        ("POST", "/api/validate-query"), ("POST", "/api/preview"),
    )  # fmt: skip
    ADMINISTRATION = (("GET", "/api/keys"), ("POST", "/api/keys"), ("DELETE", "/api/keys/1"), ("GET", "/api/audit"))
    READS_BY_POST = (("POST", "/api/schedules/preview"),)

    def test_viewers_read_and_change_nothing(self, as_role: MakeClient, closed_hub: Hub) -> None:
        made, viewer = closed_hub.everything(), as_role("viewer")
        for path, row in made.items():
            assert closed_hub.get(f"{path}/{row['id']}", client=viewer) == row
        for method, path in (*self.WRITES, *self.ADMINISTRATION):
            body = _good_body(made, path)
            response = closed_hub.send(method, path, body, client=viewer)
            assert (response.status_code, response.json()["error"]) == (403, "NOT_ALLOWED"), (method, path)
        for path, row in made.items():
            assert closed_hub.get(f"{path}/{row['id']}") == row

    def test_the_list_of_writing_routes_is_complete(self, closed_hub: Hub) -> None:
        """A route that is new has to be in one of the lists above."""
        listed = {(method, _shape(path)) for method, path in (*self.WRITES, *self.ADMINISTRATION, *self.READS_BY_POST)}
        paths = closed_hub.app.openapi()["paths"]
        writing = {
            (method.upper(), _shape(path))
            for path, methods in paths.items()
            for method in methods
            if path.startswith("/api") and method != "get"
        }
        assert writing - listed == set()

    def test_editors_change_definitions_and_administer_nothing(self, as_role: MakeClient, closed_hub: Hub) -> None:
        editor = as_role("editor")
        body = {"name": "x", "type": "sqlite", "connection_config": {"path": "x.sqlite"}}
        made = closed_hub.post("/api/datasources", body, client=editor)
        closed_hub.patch(f"/api/datasources/{made['id']}", {"name": "y"}, client=editor)
        closed_hub.delete(f"/api/datasources/{made['id']}", client=editor)
        for method, path in self.ADMINISTRATION:
            response = closed_hub.send(method, path, {"name": "x"} if method == "POST" else None, client=editor)
            assert response.status_code == 403, (method, path)

    def test_admins_administer(self, as_role: MakeClient, closed_hub: Hub) -> None:
        admin = as_role("admin")
        made = closed_hub.post("/api/keys", {"name": "x"}, client=admin)
        closed_hub.delete(f"/api/keys/{made['id']}", client=admin)
        assert closed_hub.get("/api/audit", client=admin)["total"] == 3

    def test_a_role_that_does_not_exist_is_refused(self, closed_hub: Hub) -> None:
        assert fields(closed_hub.post("/api/keys", {"name": "x", "role": "root"}, status=422)) == ["role"]


class TestOpenMode:
    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "localhost:8080", "[::1]:8080"])
    def test_this_machine_is_answered(self, hub: Hub, host: str) -> None:
        assert hub.visitor({"Host": host}).get("/api/reports").status_code == 200

    @pytest.mark.parametrize(
        "host", ["evil.example.com", "127.0.0.1.evil.example.com", "testserver", "", "[::1", "a b"]
    )
    def test_another_host_name_is_refused(self, hub: Hub, host: str) -> None:
        """DNS rebinding: the name of the attacker's page leads to this machine."""
        response = hub.send("GET", "/api/reports", client=hub.visitor({"Host": host}))
        assert response.status_code == 403

    @pytest.mark.parametrize(
        "origin",
        ["https://evil.example.com", "null", "http://127.0.0.1:9999", "http://[", "file://", "http://localhost"],
    )
    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_pages_of_another_origin_are_refused(self, hub: Hub, origin: str, method: str) -> None:
        response = hub.send(method, "/api/reports", client=hub.visitor({"Origin": origin}))
        assert response.status_code == 403

    def test_our_own_pages_may_ask(self, hub: Hub) -> None:
        client = hub.visitor({"Origin": "http://127.0.0.1:8080", "Host": "127.0.0.1:8080"})
        assert client.get("/api/reports").status_code == 200

    @pytest.mark.parametrize("address", ["10.0.0.7", "203.0.113.5", "fe80::1%eth0", "not an address"])
    def test_other_machines_are_refused(self, hub: Hub, address: str) -> None:
        response = hub.send("GET", "/api/reports", client=hub.visitor(address=(address, 50000)))
        assert response.status_code == 403

    def test_a_forwarded_address_changes_nothing(self, hub: Hub) -> None:
        client = hub.visitor({"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1"}, address=("10.0.0.7", 1))
        assert client.get("/api/reports").status_code == 403

    def test_a_wrong_key_is_refused_although_none_is_needed(self, hub: Hub) -> None:
        assert hub.visitor({"X-API-Key": "rh_wrong"}).get("/api/reports").status_code == 401

    def test_with_credentials_any_host_is_answered(self, closed_hub: Hub) -> None:
        client = closed_hub.visitor(
            {"X-API-Key": BOOTSTRAP, "Host": "reports.example.com", "Origin": "https://x.example.com"},
            address=("203.0.113.5", 50000),
        )
        assert client.get("/api/reports").status_code == 200

    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "reports.example.com"])
    def test_another_address_without_credentials_is_refused_at_the_start(self, host: str) -> None:
        with pytest.raises(InvalidInput, match="cannot be used"):
            own_settings({"host": host})
        own_settings({"host": host, "bootstrap_api_key": BOOTSTRAP})

    @pytest.mark.parametrize("key", ["short", "x" * 40, "changeme" * 5])
    def test_a_weak_bootstrap_key_is_refused_at_the_start(self, key: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            own_settings({"bootstrap_api_key": key})
        assert key not in str(refused.value.details)


def _good_body(made: dict[str, dict[str, Any]], path: str) -> dict[str, Any] | None:
    """A body that would be accepted, so that only the role can be the reason of a refusal."""
    if path.endswith("/toggle") or path.rpartition("/")[2] in ("test", "run", "execute", "retry", "cancel", "replay"):
        return None
    if path in ("/api/validate-query", "/api/preview"):
        return {"datasource_id": 1, "query": "SELECT 1"}
    if path == "/api/keys":
        return {"name": "x"}
    row = next((row for collection, row in made.items() if path.startswith(collection)), {})
    server_owned = {"id", "tenant_id", "version", "created_at", "updated_at", "last_run_at", "next_run_at", "run_count"}
    return {name: value for name, value in row.items() if name not in server_owned}


def _shape(path: str) -> str:
    return "/".join("*" if step in ("1", "x") or step.startswith("{") else step for step in path.split("/"))
