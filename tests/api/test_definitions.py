"""Create, show, replace, change and delete: the same for every kind of definition."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.hub import Hub, fields

PATHS = ["/api/datasources", "/api/reports", "/api/deliveries", "/api/recipients", "/api/schedules"]
SERVER_FIELDS = {"id", "tenant_id", "version", "created_at", "updated_at", "last_run_at", "next_run_at", "run_count"}


def as_body(shown: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {name: value for name, value in shown.items() if name not in SERVER_FIELDS} | changes


@pytest.mark.parametrize("path", PATHS)
class TestEveryKind:
    def test_what_was_created_is_shown(self, hub: Hub, path: str) -> None:
        made = hub.everything()[path]
        assert (made["version"], made["tenant_id"]) == (1, 1)
        assert made["created_at"] == made["updated_at"]
        assert made["created_at"].endswith("Z")
        assert hub.get(f"{path}/{made['id']}") == made

    def test_creating_says_where_it_is(self, hub: Hub, path: str) -> None:
        made = hub.everything()[path]
        changes = {"address": "eve@example.com"} if path == "/api/recipients" else {"name": "Another"}
        response = hub.send("POST", path, as_body(made, **changes))
        assert response.status_code == 201
        assert response.headers["location"] == f"{path}/{response.json()['data']['id']}"
        assert response.headers["etag"] == '"1"'

    def test_replacing_takes_the_whole_body_and_defaults_for_the_rest(self, hub: Hub, path: str) -> None:
        made = hub.everything()[path]
        hub.patch(f"{path}/{made['id']}", {"is_active": False})
        body = as_body(made)
        del body["is_active"]
        replaced = hub.put(f"{path}/{made['id']}", body)
        assert replaced == made | {"version": 3, "updated_at": replaced["updated_at"]}
        assert replaced["updated_at"] > made["updated_at"]

    def test_replacing_without_a_required_field_is_refused(self, hub: Hub, path: str) -> None:
        made = hub.everything()[path]
        problem = hub.put(f"{path}/{made['id']}", {"is_active": False}, status=422)
        assert set(fields(problem)) & {"name", "address"}
        assert hub.get(f"{path}/{made['id']}") == made

    def test_changing_keeps_what_is_not_named(self, hub: Hub, path: str) -> None:
        made = hub.everything()[path]
        changed = hub.patch(f"{path}/{made['id']}", {"is_active": False})
        expected = made | {"is_active": False, "version": 2, "updated_at": changed["updated_at"]}
        assert changed == expected | ({"next_run_at": None} if path == "/api/schedules" else {})

    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
    def test_unknown_and_server_owned_fields_are_refused(self, hub: Hub, path: str, method: str) -> None:
        made = hub.everything()[path]
        target = path if method == "POST" else f"{path}/{made['id']}"
        body = as_body(made) | {"tenant_id": 2, "colour": "red"}
        problem = hub.call(method, target, body, status=422)
        assert fields(problem) == ["tenant_id", "colour"] or set(fields(problem)) == {"tenant_id", "colour"}

    @pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
    @pytest.mark.parametrize("row_id", [999, 2**63 - 1])
    def test_unknown_ids_are_not_found(self, hub: Hub, path: str, method: str, row_id: int) -> None:
        made = hub.everything()[path]
        body = {"PUT": as_body(made), "PATCH": {"is_active": False}}.get(method)
        assert hub.call(method, f"{path}/{row_id}", body, status=404)["error"] == "NOT_FOUND"

    @pytest.mark.parametrize("row_id", ["0", "-1", "abc", "1.5", str(2**63), "99999999999999999999"])
    def test_impossible_ids_are_refused(self, hub: Hub, path: str, row_id: str) -> None:
        assert hub.send("GET", f"{path}/{row_id}").status_code in (404, 422)

    def test_a_cascade_deletes_it(self, hub: Hub, path: str) -> None:
        made = hub.everything()[path]
        assert hub.delete(f"{path}/{made['id']}?cascade=true") == {"id": made["id"]}
        hub.get(f"{path}/{made['id']}", status=404)

    def test_null_for_a_required_field_is_refused(self, hub: Hub, path: str) -> None:
        made = hub.everything()[path]
        name = "address" if path == "/api/recipients" else "name"
        assert fields(hub.patch(f"{path}/{made['id']}", {name: None}, status=422)) == [name]


@pytest.mark.parametrize("path", ["/api/datasources", "/api/reports"])
def test_two_of_the_same_name_are_refused(hub: Hub, path: str) -> None:
    made = hub.everything()[path]
    problem = hub.post(path, as_body(made), status=409)
    assert (problem["error"], fields(problem)) == ("CONFLICT", ["name"])
    other = hub.post(path, as_body(made, name="Other"))
    assert fields(hub.patch(f"{path}/{other['id']}", {"name": made["name"]}, status=409)) == ["name"]


def test_the_same_recipient_twice_is_refused(hub: Hub) -> None:
    recipient = hub.everything()["/api/recipients"]
    problem = hub.post("/api/recipients", as_body(recipient), status=409)
    assert fields(problem) == ["address"]


class TestNestedChanges:
    def test_one_key_of_a_configuration_changes_and_null_removes_one(self, hub: Hub) -> None:
        made = hub.server(tls="require", connect_timeout=20.0)
        changed = hub.patch(
            f"/api/datasources/{made['id']}", {"connection_config": {"database": "stock", "connect_timeout": None}}
        )
        expected = {"host": "db.example.com", "database": "stock", "username": "reports", "tls": "require"}
        assert changed["connection_config"] == expected | {"password": "********"}

    def test_options_of_one_format_change_and_others_stay(self, hub: Hub) -> None:
        report = hub.report(format_options={"csv": {"delimiter": ";"}, "pdf": {"title": "Orders"}})
        changed = hub.patch(f"/api/reports/{report['id']}", {"format_options": {"pdf": {"title": None}}})
        assert changed["format_options"] == {"csv": {"delimiter": ";"}, "pdf": {}}
        changed = hub.patch(f"/api/reports/{report['id']}", {"format_options": {"csv": None}})
        assert changed["format_options"] == {"pdf": {}}

    def test_the_merged_whole_is_checked(self, hub: Hub) -> None:
        made = hub.server()
        problem = hub.patch(f"/api/datasources/{made['id']}", {"connection_config": {"database": None}}, status=422)
        assert fields(problem) == ["connection_config.database"]
        assert hub.get(f"/api/datasources/{made['id']}")["version"] == 1


class TestUsers:
    def test_a_used_datasource_names_its_reports(self, hub: Hub) -> None:
        datasource = hub.datasource()
        hub.report(datasource["id"], "Orders of März")
        problem = hub.delete(f"/api/datasources/{datasource['id']}", status=409)
        assert problem["message"] == "The datasource is still used by the report Orders of März."
        assert "cascade=true" in problem["hint"]

    def test_a_used_report_names_schedules_and_deliveries(self, hub: Hub) -> None:
        made = hub.everything()
        problem = hub.delete(f"/api/reports/{made['/api/reports']['id']}", status=409)
        assert problem["message"] == "The report is still used by the schedule Daily, the delivery Mail."

    def test_a_used_delivery_names_recipients_and_schedules(self, hub: Hub) -> None:
        made = hub.everything()
        mail = made["/api/deliveries"]
        hub.patch(f"/api/schedules/{made['/api/schedules']['id']}", {"delivery_ids": [mail["id"]]})
        problem = hub.delete(f"/api/deliveries/{mail['id']}", status=409)
        assert problem["message"] == (
            "The delivery is still used by the recipient bob@example.com, the schedule Daily."
        )

    def test_many_users_are_counted(self, hub: Hub) -> None:
        datasource = hub.datasource()
        for number in range(12):
            hub.report(datasource["id"], f"Report {number:02}")
        problem = hub.delete(f"/api/datasources/{datasource['id']}", status=409)
        assert problem["message"].endswith("the report Report 09 and 2 more.")

    def test_a_cascade_takes_all_that_hangs_on_it(self, hub: Hub) -> None:
        made = hub.everything()
        hub.delete(f"/api/datasources/{made['/api/datasources']['id']}?cascade=true")
        assert [hub.get(path)["total"] for path in PATHS] == [0, 0, 0, 0, 0]

    def test_a_schedule_whose_only_delivery_is_gone_delivers_to_nobody(self, hub: Hub) -> None:
        made = hub.everything()
        schedule, mail = made["/api/schedules"], made["/api/deliveries"]
        hub.patch(f"/api/schedules/{schedule['id']}", {"delivery_ids": [mail["id"]]})
        hub.delete(f"/api/deliveries/{mail['id']}?cascade=true")
        assert hub.get(f"/api/schedules/{schedule['id']}")["delivery_ids"] == []

    def test_cascade_false_protects(self, hub: Hub) -> None:
        made = hub.everything()
        hub.delete(f"/api/reports/{made['/api/reports']['id']}?cascade=false", status=409)
