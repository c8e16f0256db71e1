"""Charlie is of another tenant: to him nothing of Alice's exists, whatever he tries."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from shared.auth import hash_key, make_key
from shared.clock import SystemClock
from shared.db.models import ApiKey, Execution, Tenant
from tests.api.history import add_artifact, add_execution, add_task
from tests.api.hub import Hub


@pytest.fixture
def charlie(closed_hub: Hub) -> TestClient:
    """An admin of a second tenant."""
    key, prefix = make_key()
    now = SystemClock().now()
    with closed_hub.context.database.transaction() as session:
        session.add(Tenant(id=2, name="Other", limits={}, is_active=True, created_at=now))
        session.add(
            ApiKey(tenant_id=2, name="Charlie", prefix=prefix, secret_hash=hash_key(key), role="admin", created_at=now)
        )
    return closed_hub.visitor({"X-API-Key": key})


def test_charlie_sees_empty_lists(closed_hub: Hub, charlie: TestClient) -> None:
    made = closed_hub.everything()
    execution = add_execution(closed_hub, made["/api/reports"]["id"])
    add_task(closed_hub, execution, made["/api/deliveries"]["id"], status="DEAD")
    for path in (*made, "/api/executions", "/api/dead-letters", "/api/audit"):
        assert closed_hub.get(path)["total"] > 0, path
        assert closed_hub.get(path, client=charlie)["total"] == 0, path
    assert closed_hub.get("/api/keys", client=charlie)["total"] == 1


def test_what_is_alices_is_not_found_by_charlie_on_any_route(closed_hub: Hub, charlie: TestClient) -> None:
    """Every route with an id in its path, from the OpenAPI document, so that a new one cannot be forgotten."""
    made = closed_hub.everything()
    execution = add_execution(closed_hub, made["/api/reports"]["id"])
    add_artifact(closed_hub, execution, "csv", b"a\n1\n")
    add_task(closed_hub, execution, made["/api/deliveries"]["id"], status="DEAD")
    closed_hub.post("/api/keys", {"name": "Alice"})
    tried = 0
    for path, methods in closed_hub.app.openapi()["paths"].items():
        if "{" not in path:
            continue
        real = path.replace("{id}", "1").replace("{execution_id}", execution).replace("{artifact_id}", "1")
        for method in methods:
            target = real if path != "/api/keys/{id}" else "/api/keys/2"
            response = closed_hub.send(method.upper(), target, _body(method, path, made), client=charlie)
            assert response.status_code == 404, (method, path, response.text)
            tried += 1
    assert tried > 30
    for path, row in made.items():
        assert closed_hub.get(f"{path}/{row['id']}") == row
    assert [key["revoked_at"] for key in closed_hub.get("/api/keys")["items"]] == [None]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/api/reports", {"name": "x", "datasource_id": 1, "query": "SELECT 1"}, "datasource_id"),
        ("/api/schedules", {"name": "x", "config_id": 1, "cron_expression": "0 7 * * *"}, "config_id"),
        ("/api/deliveries", {"name": "x", "config_id": 1, "method": "webhook"}, "config_id"),
        ("/api/recipients", {"delivery_id": 1, "address": "c@example.com"}, "delivery_id"),
    ],
)
def test_charlie_cannot_refer_to_what_is_alices(
    closed_hub: Hub, charlie: TestClient, path: str, body: dict[str, Any], field: str
) -> None:
    closed_hub.everything()
    problem = closed_hub.post(path, body, client=charlie, status=422)
    assert [detail["field"] for detail in problem["details"]] == [field]
    assert "there is no" in problem["message"]


def test_the_same_names_do_not_get_in_each_others_way(closed_hub: Hub, charlie: TestClient) -> None:
    closed_hub.datasource("Shop")
    body = {"name": "Shop", "type": "sqlite", "connection_config": {"path": "shop.sqlite"}}
    assert closed_hub.post("/api/datasources", body, client=charlie)["tenant_id"] == 2


def test_charlie_cannot_query_or_replay_by_number(closed_hub: Hub, charlie: TestClient) -> None:
    made = closed_hub.everything()
    execution = add_execution(closed_hub, made["/api/reports"]["id"], delivery_status="FAILED")
    add_task(closed_hub, execution, made["/api/deliveries"]["id"], status="DEAD")
    closed_hub.post("/api/validate-query", {"datasource_id": 1, "query": "SELECT 1"}, client=charlie, status=404)
    closed_hub.post("/api/preview", {"datasource_id": 1, "query": "SELECT 1"}, client=charlie, status=404)
    closed_hub.post("/api/dead-letters/replay", {"ids": [1]}, client=charlie, status=404)
    assert closed_hub.post("/api/dead-letters/replay", client=charlie, status=202) == {"ids": []}
    with closed_hub.context.database.reading() as session:
        assert session.get_one(Execution, execution).delivery_status == "FAILED"


def _body(method: str, path: str, made: dict[str, dict[str, Any]]) -> Any:
    """A body that would be right if the row were Charlie's: so 404 is not for want of a better one."""
    if method == "patch":
        return None if path.endswith("toggle") else {"is_active": False}
    if method != "put":
        return None
    row = made[path.removesuffix("/{id}")]
    server_owned = {"id", "tenant_id", "version", "created_at", "updated_at", "last_run_at", "next_run_at", "run_count"}
    return {name: value for name, value in row.items() if name not in server_owned}
