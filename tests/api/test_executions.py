"""The history: lists, the whole story, retry, cancel, delete, events, and dead letters."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from shared.db.models import DeliveryTask, Execution
from shared.storage import ArtifactStore
from tests.api.history import add_artifact, add_execution, add_task
from tests.api.hub import Hub

UNKNOWN = "00000000-0000-7000-8000-000000000000"


@pytest.fixture
def report(hub: Hub) -> dict[str, Any]:
    return hub.report()


class TestHistory:
    def test_the_newest_come_first_unless_asked_otherwise(self, hub: Hub, report: dict[str, Any]) -> None:
        made = [add_execution(hub, report["id"]) for _ in range(3)]
        for path in ("/api/executions", f"/api/reports/{report['id']}/executions"):
            assert [item["execution_id"] for item in hub.get(path)["items"]] == sorted(made, reverse=True)
            found = hub.get(f"{path}?sort_by=created_at&limit=2")
            assert [item["execution_id"] for item in found["items"]] == made[:2]

    @pytest.mark.parametrize(
        ("parameters", "expected"),
        [
            ({"state": "COMPLETED"}, {"done", "arrived"}),
            ({"state": "DELIVERING"}, {"sending", "waiting"}),
            ({"state": "PARTIAL"}, {"partial"}),
            ({"state": "FAILED"}, {"failed", "undelivered"}),
            ({"state": "QUEUED"}, {"queued"}),
            ({"status": "COMPLETED", "delivery_status": "FAILED"}, {"undelivered"}),
            ({"status": "FAILED"}, {"failed"}),
            ({"trigger": "schedule"}, {"queued"}),
            ({"schedule_id": 7}, {"queued"}),
            ({"config_id": 2}, {"done"}),
            ({"report": "other"}, {"done"}),
            ({"since": "2030-01-01T00:00:00Z"}, {"queued"}),
            ({"until": "2021-01-01T00:00:00+01:00"}, {"failed"}),
        ],
    )
    def test_filters(self, hub: Hub, report: dict[str, Any], parameters: dict[str, Any], expected: set[str]) -> None:
        other = hub.report(name="Other")
        rows: dict[str, dict[str, Any]] = {
            "done": {},
            "arrived": {"delivery_status": "DELIVERED"},
            "sending": {"delivery_status": "DELIVERING"},
            "waiting": {"delivery_status": "PENDING"},
            "partial": {"delivery_status": "PARTIAL"},
            "undelivered": {"delivery_status": "FAILED"},
            "failed": {"status": "FAILED", "created_at": datetime(2020, 12, 31, tzinfo=UTC)},
            "queued": {
                "status": "QUEUED",
                "trigger": "schedule",
                "schedule_id": 7,
                "created_at": datetime(2031, 1, 1, tzinfo=UTC),
            },
        }
        made = {
            add_execution(hub, other["id"] if name == "done" else report["id"], **fields): name
            for name, fields in rows.items()
        }
        page = hub.call("GET", "/api/executions", params=parameters)
        assert {made[item["execution_id"]] for item in page["items"]} == expected
        assert page["total"] == len(expected)

    @pytest.mark.parametrize("parameter", ["state=DONE", "status=x", "trigger=robot", "since=now"])
    def test_a_filter_value_that_does_not_exist_is_refused(self, hub: Hub, parameter: str) -> None:
        hub.get(f"/api/executions?{parameter}", status=422)

    def test_the_story_has_files_and_attempts(self, hub: Hub, report: dict[str, Any]) -> None:
        mail = hub.mail(report["id"])
        execution = add_execution(hub, report["id"], delivery_status="PARTIAL")
        add_artifact(hub, execution, "csv", b"a\n1\n")
        add_task(hub, execution, mail["id"], status="DELIVERED")
        add_task(hub, execution, mail["id"], status="REFUSED", recipient="eve@example.com")
        story = hub.get(f"/api/executions/{execution}")
        assert (story["status"], story["state"]) == ("COMPLETED", "PARTIAL")
        (artifact,) = story["artifacts"]
        assert (artifact["format"], artifact["size"], artifact["is_deleted"]) == ("csv", 4, False)
        assert [(item["recipient"], item["status"]) for item in story["deliveries"]] == [
            ("bob@example.com", "DELIVERED"),
            ("eve@example.com", "REFUSED"),
        ]
        attempt = story["deliveries"][1]["attempts"][0]
        assert (attempt["number"], attempt["status"], attempt["message"]) == (1, "REFUSED", "550 no such user")

    def test_history_outlives_the_report(self, hub: Hub, report: dict[str, Any]) -> None:
        execution = add_execution(hub, report["id"])
        hub.delete(f"/api/reports/{report['id']}?cascade=true")
        assert hub.get(f"/api/executions/{execution}")["report_name"] == "Orders"

    @pytest.mark.parametrize("execution_id", [UNKNOWN, "1", "nonsense", "x" * 300, "'; DROP TABLE x", "..", "%2e%2e"])
    @pytest.mark.parametrize("route", ["", "/download", "/artifacts/1/download", "/events"])
    def test_unknown_ids_are_not_found(self, hub: Hub, execution_id: str, route: str) -> None:
        assert hub.send("GET", f"/api/executions/{execution_id}{route}").status_code in (404, 307)

    @pytest.mark.parametrize(("method", "route"), [("POST", "/retry"), ("POST", "/cancel"), ("DELETE", "")])
    def test_nothing_can_be_done_about_what_does_not_exist(self, hub: Hub, method: str, route: str) -> None:
        hub.call(method, f"/api/executions/{UNKNOWN}{route}", status=404)


class TestRetry:
    def test_a_failed_run_is_done_again_for_the_same_moment(self, hub: Hub, report: dict[str, Any]) -> None:
        moment = datetime(2026, 3, 1, 7, tzinfo=UTC)
        request = {"parameters": {"a": 1}, "formats": ["csv"], "deliver": False, "timezone": "Europe/Berlin"}
        failed = add_execution(hub, report["id"], status="FAILED", scheduled_for=moment, request=request)
        accepted = hub.post(f"/api/executions/{failed}/retry", status=202)
        story = hub.get(f"/api/executions/{accepted['execution_id']}")
        assert (story["trigger"], story["status"], story["retry_of"]) == ("retry", "QUEUED", failed)
        assert (story["scheduled_for"], story["parameters"]) == ("2026-03-01T07:00:00Z", {"a": 1})
        with hub.context.database.reading() as session:
            assert session.get_one(Execution, story["execution_id"]).request == request

    def test_pressing_twice_gives_one_retry(self, hub: Hub, report: dict[str, Any]) -> None:
        failed = add_execution(hub, report["id"], status="FAILED")
        answers = [hub.post(f"/api/executions/{failed}/retry", status=202)["execution_id"] for _ in range(3)]
        assert len(set(answers)) == 1

    def test_only_those_who_have_not_received_are_tried_again(self, hub: Hub, report: dict[str, Any]) -> None:
        mail = hub.mail(report["id"])
        execution = add_execution(hub, report["id"], delivery_status="PARTIAL")
        arrived = add_task(hub, execution, mail["id"], status="DELIVERED")
        failed = add_task(hub, execution, mail["id"], status="DEAD", recipient="eve@example.com")
        accepted = hub.post(f"/api/executions/{execution}/retry", status=202)
        assert accepted["execution_id"] == execution
        with hub.context.database.reading() as session:
            assert session.get_one(DeliveryTask, arrived).status == "DELIVERED"
            again = session.get_one(DeliveryTask, failed)
            assert (again.status, again.attempt, again.attempts_allowed) == ("PENDING", 1, 5)
            assert session.get_one(Execution, execution).delivery_status == "DELIVERING"

    @pytest.mark.parametrize(
        "fields", [{"status": "RUNNING"}, {"status": "QUEUED"}, {}, {"delivery_status": "DELIVERED"}]
    )
    def test_what_has_not_failed_is_not_done_again(
        self, hub: Hub, report: dict[str, Any], fields: dict[str, str]
    ) -> None:
        execution = add_execution(hub, report["id"], **fields)
        assert hub.post(f"/api/executions/{execution}/retry", status=409)["error"] == "CONFLICT"

    def test_a_deleted_report_cannot_be_retried(self, hub: Hub, report: dict[str, Any]) -> None:
        failed = add_execution(hub, report["id"], status="FAILED")
        hub.delete(f"/api/reports/{report['id']}?cascade=true")
        assert "deleted" in hub.post(f"/api/executions/{failed}/retry", status=409)["message"]


class TestDelete:
    def test_an_ended_execution_goes_with_files_and_attempts(self, hub: Hub, report: dict[str, Any]) -> None:
        execution = add_execution(hub, report["id"])
        add_artifact(hub, execution, "csv", b"a")
        add_task(hub, execution, hub.mail(report["id"])["id"], status="DEAD")
        hub.delete(f"/api/executions/{execution}")
        hub.get(f"/api/executions/{execution}", status=404)
        assert hub.get("/api/dead-letters")["total"] == 0
        assert [path for path in ArtifactStore.open(hub.settings)._root.rglob("*") if path.is_file()] == []

    @pytest.mark.parametrize("fields", [{"status": "QUEUED"}, {"status": "RUNNING"}, {"delivery_status": "DELIVERING"}])
    def test_one_that_is_still_going_on_stays(self, hub: Hub, report: dict[str, Any], fields: dict[str, str]) -> None:
        execution = add_execution(hub, report["id"], **fields)
        assert "not ended" in hub.delete(f"/api/executions/{execution}", status=409)["message"]


class TestEvents:
    @staticmethod
    def read(hub: Hub, execution: str) -> list[tuple[str, dict[str, Any]]]:
        response = hub.client.get(f"/api/executions/{execution}/events")
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-store"
        found = []
        for block in response.text.strip().split("\n\n"):
            name, data = block.split("\n")
            found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
        return found

    def test_an_ended_execution_is_told_and_done(self, hub: Hub, report: dict[str, Any]) -> None:
        execution = add_execution(hub, report["id"], delivery_status="DELIVERED")
        names, stories = zip(*self.read(hub, execution), strict=True)
        assert names == ("execution", "done")
        assert stories[1]["state"] == "COMPLETED"

    def test_each_change_is_told_and_the_end_is_done(self, hub: Hub, report: dict[str, Any]) -> None:
        execution = add_execution(hub, report["id"], status="RUNNING", progress={"stage": "fetch", "rows": 10})

        def end() -> None:
            with hub.context.database.transaction() as session:
                session.execute(update(Execution).values(status="FAILED"))

        timer = threading.Timer(0.3, end)
        timer.start()
        found = self.read(hub, execution)
        timer.join()
        assert [(name, story["status"]) for name, story in found] == [
            ("execution", "RUNNING"), ("execution", "FAILED"), ("done", "FAILED"),
        ]  # fmt: skip
        assert found[0][1]["progress"] == {"stage": "fetch", "rows": 10}

    def test_files_that_are_still_being_delivered_are_not_done(self, hub: Hub, report: dict[str, Any]) -> None:
        execution = add_execution(hub, report["id"], delivery_status="PENDING")

        def arrive() -> None:
            with hub.context.database.transaction() as session:
                session.execute(update(Execution).values(delivery_status="DELIVERED"))

        timer = threading.Timer(0.3, arrive)
        timer.start()
        found = self.read(hub, execution)
        timer.join()
        assert [(name, story["delivery_status"]) for name, story in found] == [
            ("execution", "PENDING"), ("execution", "DELIVERED"), ("done", "DELIVERED"),
        ]  # fmt: skip

    def test_an_execution_that_is_deleted_meanwhile_is_done(self, hub: Hub, report: dict[str, Any]) -> None:
        execution = add_execution(hub, report["id"], status="RUNNING")

        def remove() -> None:
            with hub.context.database.transaction() as session:
                session.delete(session.get_one(Execution, execution))

        timer = threading.Timer(0.3, remove)
        timer.start()
        found = self.read(hub, execution)
        timer.join()
        assert [name for name, _ in found] == ["execution", "done"]

    def test_a_service_that_stops_ends_the_stream_without_done(self, hub: Hub, report: dict[str, Any]) -> None:
        execution = add_execution(hub, report["id"], status="RUNNING")
        timer = threading.Timer(0.2, hub.context.stopping.set)
        timer.start()
        try:
            found = self.read(hub, execution)
        finally:
            timer.join()
            hub.context.stopping.clear()
        assert [name for name, _ in found] == ["execution"]


class TestDeadLetters:
    @pytest.fixture
    def mail(self, hub: Hub, report: dict[str, Any]) -> dict[str, Any]:
        return hub.mail(report["id"])

    def test_what_did_not_arrive_is_listed_with_the_reason(
        self, hub: Hub, report: dict[str, Any], mail: dict[str, Any]
    ) -> None:
        execution = add_execution(hub, report["id"], delivery_status="PARTIAL")
        for status in ("DELIVERED", "DEAD", "REFUSED", "UNKNOWN", "WAITING", "PENDING"):
            add_task(hub, execution, mail["id"], status=status, recipient=f"{status.lower()}@example.com")
        page = hub.get("/api/dead-letters?sort_by=id")
        assert [item["status"] for item in page["items"]] == ["DEAD", "REFUSED", "UNKNOWN"]
        first = page["items"][0]
        assert (first["report_name"], first["config_id"], first["execution_id"]) == ("Orders", report["id"], execution)
        assert (first["message"], first["attempts"][0]["error_code"]) == ("550 no such user", "DELIVERY_REFUSED")

    @pytest.mark.parametrize(
        ("parameters", "count"),
        [({"method": "email"}, 1), ({"method": "sftp"}, 0), ({"delivery_id": 1}, 1), ({"delivery_id": 9}, 0)],
    )
    def test_filters(
        self, hub: Hub, report: dict[str, Any], mail: dict[str, Any], parameters: dict[str, Any], count: int
    ) -> None:
        execution = add_execution(hub, report["id"], delivery_status="FAILED")
        add_task(hub, execution, mail["id"], status="DEAD")
        assert hub.call("GET", "/api/dead-letters", params=parameters)["total"] == count
        assert hub.get(f"/api/dead-letters?execution_id={execution}")["total"] == 1

    def test_one_is_tried_again_with_all_its_attempts(
        self, hub: Hub, report: dict[str, Any], mail: dict[str, Any]
    ) -> None:
        execution = add_execution(hub, report["id"], delivery_status="FAILED")
        task = add_task(hub, execution, mail["id"], status="DEAD")
        assert hub.post(f"/api/dead-letters/{task}/replay", status=202) == {"ids": [task]}
        deliveries = hub.get(f"/api/executions/{execution}")["deliveries"]
        assert [(item["status"], item["next_attempt_at"] is not None) for item in deliveries] == [("PENDING", True)]
        assert hub.get("/api/dead-letters")["total"] == 0
        hub.post(f"/api/dead-letters/{task}/replay", status=409)

    def test_several_or_all_are_tried_again(self, hub: Hub, report: dict[str, Any], mail: dict[str, Any]) -> None:
        execution = add_execution(hub, report["id"], delivery_status="FAILED")
        tasks = [add_task(hub, execution, mail["id"], status="DEAD", recipient=f"{n}@example.com") for n in range(4)]
        assert hub.post("/api/dead-letters/replay", {"ids": tasks[:2]}, status=202) == {"ids": tasks[:2]}
        assert hub.post("/api/dead-letters/replay", status=202) == {"ids": tasks[2:]}
        assert hub.post("/api/dead-letters/replay", status=202) == {"ids": []}

    def test_one_unknown_id_among_several_changes_nothing(
        self, hub: Hub, report: dict[str, Any], mail: dict[str, Any]
    ) -> None:
        execution = add_execution(hub, report["id"], delivery_status="FAILED")
        task = add_task(hub, execution, mail["id"], status="DEAD")
        hub.post("/api/dead-letters/replay", {"ids": [task, 99]}, status=404)
        assert hub.get("/api/dead-letters")["total"] == 1

    def test_one_whose_delivery_is_gone_cannot_be_tried_and_holds_up_no_other(
        self, hub: Hub, report: dict[str, Any], mail: dict[str, Any]
    ) -> None:
        execution = add_execution(hub, report["id"], delivery_status="FAILED")
        orphan = add_task(hub, execution, 99, status="DEAD")
        task = add_task(hub, execution, mail["id"], status="DEAD")
        assert "deleted" in hub.post(f"/api/dead-letters/{orphan}/replay", status=409)["message"]
        assert hub.post("/api/dead-letters/replay", status=202) == {"ids": [task]}


def test_an_expiry_is_shown(hub: Hub, report: dict[str, Any]) -> None:
    execution = add_execution(hub, report["id"])
    add_artifact(hub, execution, "csv", b"a")
    expires = datetime.fromisoformat(hub.get(f"/api/executions/{execution}")["artifacts"][0]["expires_at"])
    assert timedelta(days=29) < expires - datetime.now(UTC) < timedelta(days=31)
