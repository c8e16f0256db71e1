"""Every change leaves an entry: who, what, when, before and after."""

from __future__ import annotations

from typing import Any

import pytest

from shared.db.models import AuditEntry
from tests.api.conftest import BOOTSTRAP
from tests.api.history import add_execution, add_task
from tests.api.hub import Hub

WORDS = {
    "/api/datasources": "datasource",
    "/api/reports": "report",
    "/api/deliveries": "delivery",
    "/api/recipients": "recipient",
    "/api/schedules": "schedule",
}


def entries(hub: Hub, **filters: Any) -> list[dict[str, Any]]:
    """Oldest first."""
    return list(hub.call("GET", "/api/audit", params={"limit": 200, **filters})["items"][::-1])


@pytest.mark.parametrize("path", WORDS)
def test_creating_changing_and_deleting_are_noted_with_before_and_after(hub: Hub, path: str) -> None:
    made, word = hub.everything()[path], WORDS[path]
    changed = hub.patch(f"{path}/{made['id']}", {"is_active": False})
    hub.delete(f"{path}/{made['id']}?cascade=true")
    created, change, deleted = entries(hub, object_type=word, object_id=str(made["id"]))
    assert (created["action"], created["before"], created["after"]) == (f"{word}.created", None, made)
    assert (change["action"], change["before"], change["after"]) == (f"{word}.changed", made, changed)
    assert (deleted["action"], deleted["before"], deleted["after"]) == (f"{word}.deleted", changed, None)


def test_a_cascade_notes_every_row_that_it_took(hub: Hub) -> None:
    made = hub.everything()
    hub.delete(f"/api/datasources/{made['/api/datasources']['id']}?cascade=true")
    deleted = [entry["object_type"] for entry in entries(hub) if entry["action"].endswith(".deleted")]
    assert sorted(deleted) == ["datasource", "delivery", "recipient", "report", "schedule"]


def test_what_was_refused_is_not_noted(hub: Hub) -> None:
    datasource = hub.datasource()
    hub.report(datasource["id"])
    before = len(entries(hub))
    hub.delete(f"/api/datasources/{datasource['id']}", status=409)
    hub.patch(f"/api/datasources/{datasource['id']}", {"name": ""}, status=422)
    hub.patch(f"/api/datasources/{datasource['id']}", {"name": "x", "version": 7}, status=409)
    hub.post("/api/datasources", {"name": "Shop", "type": "sqlite", "connection_config": {"path": "x"}}, status=409)
    assert len(entries(hub)) == before


def test_an_entry_names_the_key_and_the_request(closed_hub: Hub) -> None:
    made = closed_hub.post("/api/keys", {"name": "Bob", "role": "editor"})
    bob = closed_hub.visitor({"X-API-Key": made["key"], "X-Request-ID": "deploy-42"})
    body = {"name": "x", "type": "sqlite", "connection_config": {"path": "x.sqlite"}}
    closed_hub.post("/api/datasources", body, client=bob)
    key, datasource = entries(closed_hub)
    assert (key["actor"], key["action"]) == ("key:bootstrap", "key.created")
    assert (datasource["actor"], datasource["request_id"]) == (f"key:{made['prefix']}", "deploy-42")


def test_keys_are_noted_without_the_key(closed_hub: Hub) -> None:
    made = closed_hub.post("/api/keys", {"name": "Bob"})
    closed_hub.delete(f"/api/keys/{made['id']}")
    assert [entry["action"] for entry in entries(closed_hub)] == ["key.created", "key.revoked"]
    assert made["key"] not in str(entries(closed_hub))
    assert BOOTSTRAP not in str(entries(closed_hub))


def test_pausing_and_resuming_are_noted(hub: Hub) -> None:
    schedule = hub.schedule(hub.report()["id"])
    hub.patch(f"/api/schedules/{schedule['id']}/toggle")
    entry = entries(hub)[-1]
    assert (entry["action"], entry["after"]["is_active"]) == ("schedule.changed", False)


def test_what_is_done_about_executions_is_noted(hub: Hub) -> None:
    report = hub.report()
    mail = hub.mail(report["id"])
    failed = add_execution(hub, report["id"], status="FAILED")
    undelivered = add_execution(hub, report["id"], delivery_status="FAILED")
    task = add_task(hub, undelivered, mail["id"], status="DEAD")
    hub.post(f"/api/dead-letters/{task}/replay", status=202)
    retry = hub.post(f"/api/executions/{failed}/retry", status=202)
    hub.delete(f"/api/executions/{failed}")
    replayed, accepted, deleted = entries(hub)[-3:]
    assert (replayed["action"], replayed["object_id"]) == ("dead_letter.replayed", str(task))
    assert (accepted["action"], accepted["object_id"]) == ("execution.accepted", retry["execution_id"])
    assert accepted["after"] == {"retry_of": failed}
    assert (deleted["action"], deleted["before"]["execution_id"]) == ("execution.deleted", failed)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"object_type": "report"}, ["report.created", "report.changed"]),
        ({"action": "report.changed"}, ["report.changed"]),
        ({"actor": "local", "object_id": "1", "object_type": "datasource"}, ["datasource.created"]),
        ({"actor": "nobody"}, []),
        ({"since": "2020-01-01T00:00:00Z", "until": "2021-01-01T00:00:00Z"}, []),
        ({"since": "2021-01-01T00:00:00+02:00"}, ["datasource.created", "report.created", "report.changed"]),
    ],
)
def test_entries_can_be_searched(hub: Hub, filters: dict[str, str], expected: list[str]) -> None:
    report = hub.report()
    hub.patch(f"/api/reports/{report['id']}", {"is_active": False})
    assert [entry["action"] for entry in entries(hub, **filters)] == expected


def test_no_record_no_answer(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change that cannot be noted does not happen."""
    from sqlalchemy import event
    from sqlalchemy.exc import OperationalError

    def broken(*_: Any) -> None:
        raise OperationalError("INSERT", {}, Exception("disk I/O error"))

    datasource = hub.datasource()
    event.listen(AuditEntry, "before_insert", broken)
    try:
        hub.patch(f"/api/datasources/{datasource['id']}", {"name": "y"}, status=503)
    finally:
        event.remove(AuditEntry, "before_insert", broken)
    assert hub.get(f"/api/datasources/{datasource['id']}") == datasource
