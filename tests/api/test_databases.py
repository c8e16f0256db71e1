"""The same on MariaDB and PostgreSQL as on SQLite: one walk through all that is kept."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from shared.db.database import Database
from shared.db.migrate import upgrade
from tests.api.conftest import MakeHub
from tests.api.history import add_execution, add_task
from tests.api.hub import Hub, fields
from tests.services.databases import TestDatabase

NAME = "Ärger 100% 売上 😀"


@pytest.fixture(params=["mariadb_database", "postgres_database"])
def hub(request: pytest.FixtureRequest, make_hub: MakeHub) -> Iterator[Hub]:
    server: TestDatabase = request.getfixturevalue(request.param)
    database = Database(server.url)
    upgrade(database)
    database.close()
    made = make_hub(database_url=server.url)
    yield made
    made.context.database.close()


@pytest.mark.service
def test_definitions_live_their_whole_life(hub: Hub) -> None:
    made = hub.everything()
    for path, row in made.items():
        shown = hub.get(f"{path}/{row['id']}")
        assert shown == row, path
        changed = hub.patch(f"{path}/{row['id']}", {"is_active": False, "version": 1})
        assert changed["version"] == 2
        assert hub.get(f"{path}/{row['id']}") == changed
        assert hub.patch(f"{path}/{row['id']}", {"is_active": True, "version": 1}, status=409)["current_version"] == 2
        hub.patch(f"{path}/{row['id']}", {"is_active": True}, headers={"If-Match": '"1"'}, status=412)
        assert hub.get(f"{path}?sort_by=created_at&sort_order=desc&is_active=false")["total"] == 1
    assert fields(hub.post("/api/datasources", _shop("Shop"), status=409)) == ["name"]
    assert "the report Orders" in hub.delete("/api/datasources/1", status=409)["message"]
    hub.delete("/api/datasources/1?cascade=true")
    assert [hub.get(path)["total"] for path in made] == [0] * 5
    actions = [entry["action"] for entry in hub.get("/api/audit?limit=200")["items"]]
    assert len([action for action in actions if action.endswith(".deleted")]) == 5


@pytest.mark.service
def test_names_in_any_script_are_kept_and_found(hub: Hub) -> None:
    made = hub.datasource(NAME)
    assert hub.get(f"/api/datasources/{made['id']}")["name"] == NAME
    for part in ("ärger", "ÄRGER", "100%", "売上", "😀"):
        assert hub.call("GET", "/api/datasources", params={"name": part})["total"] == 1, part
    for part in ("100_", "!", "\\", "'"):
        assert hub.call("GET", "/api/datasources", params={"name": part})["total"] == 0, part
    hub.report(made["id"], tags=["Zürich", 'a"b\\c'])
    for tag, count in (("Zürich", 1), ('a"b\\c', 1), ("Zür", 0), ("%", 0)):
        assert hub.call("GET", "/api/reports", params={"tag": tag})["total"] == count, tag


@pytest.mark.service
def test_names_that_differ_in_case_are_two(hub: Hub) -> None:
    hub.datasource("shop")
    hub.datasource("Shop")
    assert hub.get("/api/datasources")["total"] == 2


@pytest.mark.service
def test_rows_without_a_value_come_last(hub: Hub) -> None:
    report = hub.report()
    hub.schedule(report["id"], "Paused", is_active=False)
    hub.schedule(report["id"], "Soon", cron_expression="* * * * *")
    for order in ("asc", "desc"):
        items = hub.get(f"/api/schedules?sort_by=next_run_at&sort_order={order}")["items"]
        assert [item["name"] for item in items] == ["Soon", "Paused"]


@pytest.mark.service
def test_of_many_who_change_at_once_nothing_is_lost(hub: Hub) -> None:
    report = hub.report()
    changes: list[dict[str, Any]] = [{"description": "new"}, {"row_limit": 7}, {"tags": ["x"]}, {"timeout_seconds": 9}]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda change: hub.patch(f"/api/reports/{report['id']}", change), changes * 3))
    shown = hub.get(f"/api/reports/{report['id']}")
    assert shown["version"] == 13
    assert (shown["description"], shown["row_limit"], shown["tags"], shown["timeout_seconds"]) == ("new", 7, ["x"], 9)


@pytest.mark.service
def test_history_dead_letters_and_keys(hub: Hub) -> None:
    report = hub.report()
    mail = hub.mail(report["id"])
    execution = add_execution(hub, report["id"], delivery_status="FAILED")
    task = add_task(hub, execution, mail["id"], status="DEAD")
    assert hub.get("/api/executions?state=FAILED")["total"] == 1
    assert hub.get(f"/api/executions/{execution}")["deliveries"][0]["status"] == "DEAD"
    assert hub.post(f"/api/dead-letters/{task}/replay", status=202) == {"ids": [task]}
    failed = add_execution(hub, report["id"], status="FAILED")
    first = hub.post(f"/api/executions/{failed}/retry", status=202)
    assert hub.post(f"/api/executions/{failed}/retry", status=202) == first
    hub.delete(f"/api/executions/{failed}")
    hub.get(f"/api/executions/{failed}", status=404)
    made = hub.post("/api/keys", {"name": "x", "role": "viewer"})
    viewer = hub.visitor({"X-API-Key": made["key"]})
    hub.get("/api/reports", client=viewer)
    hub.post("/api/datasources", _shop("y"), client=viewer, status=403)
    assert hub.get("/ready")["checks"] == ["database", "schema"]


@pytest.mark.service
@pytest.mark.parametrize("path", ["/api/executions/a%00b", "/api/reports?name=%00", "/api/reports?tag=%ED%A0%80"])
def test_characters_that_a_database_refuses_never_reach_it(hub: Hub, path: str) -> None:
    assert hub.send("GET", path).status_code in (200, 400, 404, 422)


def _shop(name: str) -> dict[str, Any]:
    return {"name": name, "type": "sqlite", "connection_config": {"path": "shop.sqlite"}}
