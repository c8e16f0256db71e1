"""Schedules: cron, zones, next times, pausing, preview."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from shared.db.models import Report, Schedule
from tests.api.hub import Hub, fields


@pytest.fixture
def report(hub: Hub) -> dict[str, Any]:
    return hub.report(
        query="SELECT id FROM orders WHERE id = :id", parameters=[{"name": "id", "type": "integer", "default": 1}]
    )


class TestRules:
    @pytest.mark.parametrize("cron", ["0 0 31 2 *", "60 * * * *", "* * * *", "0 0 0 1 1 ? *", "sat-sun", "", "x" * 256])
    def test_a_cron_expression_that_cannot_fire_is_refused(self, hub: Hub, report: dict[str, Any], cron: str) -> None:
        body = {"config_id": report["id"], "name": "x", "cron_expression": cron}
        assert fields(hub.post("/api/schedules", body, status=422)) == ["cron_expression"]
        preview = {"cron_expression": cron}
        assert fields(hub.post("/api/schedules/preview", preview, status=422)) == ["cron_expression"]

    @pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "/etc/localtime", "Europe/Berlin\n"])
    def test_a_zone_that_does_not_exist_is_refused(self, hub: Hub, report: dict[str, Any], zone: str) -> None:
        body = {"config_id": report["id"], "name": "x", "cron_expression": "0 7 * * *", "timezone": zone}
        assert fields(hub.post("/api/schedules", body, status=422)) == ["timezone"]

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"config_id": 99}, ["config_id"]),
            ({"delivery_ids": [1, 99]}, ["delivery_ids.1"]),
            ({"calendar_id": 5}, ["calendar_id"]),
            ({"formats": ["csv", "docx"]}, ["formats.1"]),
            ({"formats": []}, ["formats"]),
            ({"parameters": {"idd": 1}}, ["parameters.idd"]),
            ({"parameters": {"id": "many"}}, ["parameters.id"]),
            ({"misfire_policy": "later"}, ["misfire_policy"]),
            ({"overlap_policy": "maybe"}, ["overlap_policy"]),
            ({"jitter_seconds": 3601}, ["jitter_seconds"]),
            ({"misfire_grace_seconds": -1}, ["misfire_grace_seconds"]),
            ({"start_at": "2026-02-01T00:00:00Z", "end_at": "2026-01-01T00:00:00Z"}, ["end_at"]),
        ],
    )
    def test_what_does_not_fit_is_named(
        self, hub: Hub, report: dict[str, Any], changes: dict[str, Any], expected: list[str]
    ) -> None:
        hub.delivery(report["id"])
        body = {"config_id": report["id"], "name": "x", "cron_expression": "0 7 * * *"} | changes
        assert fields(hub.post("/api/schedules", body, status=422)) == expected

    def test_times_are_shown_in_utc(self, hub: Hub, report: dict[str, Any]) -> None:
        schedule = hub.schedule(report["id"], start_at="2026-11-01T09:00:00+02:00", end_at=None)
        assert schedule["start_at"] == "2026-11-01T07:00:00Z"
        assert hub.get(f"/api/schedules/{schedule['id']}")["start_at"] == "2026-11-01T07:00:00Z"

    def test_formats_are_kept_by_their_own_name(self, hub: Hub, report: dict[str, Any]) -> None:
        assert hub.schedule(report["id"], formats=["excel", "csv", "xlsx"])["formats"] == ["xlsx", "csv"]


class TestNextTime:
    def test_it_is_known_when_the_schedule_is_saved(self, hub: Hub, report: dict[str, Any]) -> None:
        schedule = hub.schedule(report["id"], cron_expression="0 7 * * *", timezone="Asia/Tokyo")
        following = datetime.fromisoformat(schedule["next_run_at"])
        assert following.hour == 22
        assert timedelta(0) < following - datetime.now(UTC) <= timedelta(days=1)

    def test_it_lies_within_start_and_end(self, hub: Hub, report: dict[str, Any]) -> None:
        late = hub.schedule(report["id"], start_at="2031-01-01T07:00:00Z")
        assert late["next_run_at"] == "2031-01-01T07:00:00Z"
        assert hub.schedule(report["id"], end_at="2020-01-01T00:00:00Z")["next_run_at"] is None

    def test_another_expression_moves_it(self, hub: Hub, report: dict[str, Any]) -> None:
        schedule = hub.schedule(report["id"])
        changed = hub.patch(f"/api/schedules/{schedule['id']}", {"cron_expression": "30 8 1 1 *"})
        assert changed["next_run_at"].endswith("-01-01T08:30:00Z")

    def test_a_slot_that_is_due_outlives_another_name_but_not_another_expression(
        self, hub: Hub, report: dict[str, Any]
    ) -> None:
        schedule = hub.schedule(report["id"])
        due = datetime(2026, 1, 1, 7, tzinfo=UTC)
        with hub.context.database.transaction() as session:
            session.execute(update(Schedule).values(next_run_at=due))
        renamed = hub.patch(f"/api/schedules/{schedule['id']}", {"name": "Other"})
        assert renamed["next_run_at"] == "2026-01-01T07:00:00Z"
        moved = hub.patch(f"/api/schedules/{schedule['id']}", {"cron_expression": "0 8 * * *"})
        assert datetime.fromisoformat(moved["next_run_at"]) > datetime.now(UTC)


class TestToggle:
    def test_it_turns_and_turns_back(self, hub: Hub, report: dict[str, Any]) -> None:
        schedule = hub.schedule(report["id"])
        paused = hub.patch(f"/api/schedules/{schedule['id']}/toggle")
        assert (paused["is_active"], paused["next_run_at"]) == (False, None)
        resumed = hub.patch(f"/api/schedules/{schedule['id']}/toggle")
        assert (resumed["is_active"], resumed["next_run_at"]) == (True, schedule["next_run_at"])

    def test_a_wanted_state_is_reached_however_often_it_is_asked_for(self, hub: Hub, report: dict[str, Any]) -> None:
        schedule = hub.schedule(report["id"])
        for _ in range(2):
            assert hub.patch(f"/api/schedules/{schedule['id']}/toggle", {"is_active": False})["is_active"] is False

    def test_an_old_version_is_refused(self, hub: Hub, report: dict[str, Any]) -> None:
        schedule = hub.schedule(report["id"])
        hub.patch(f"/api/schedules/{schedule['id']}/toggle", {"version": 1})
        hub.patch(f"/api/schedules/{schedule['id']}/toggle", {"version": 1}, status=409)
        hub.patch(f"/api/schedules/{schedule['id']}/toggle", headers={"If-Match": '"1"'}, status=412)

    def test_a_schedule_that_no_longer_fits_its_report_can_be_paused(self, hub: Hub, report: dict[str, Any]) -> None:
        schedule = hub.schedule(report["id"], parameters={"id": 5})
        with hub.context.database.transaction() as session:
            session.execute(update(Report).values(parameters=[]))
        assert hub.patch(f"/api/schedules/{schedule['id']}/toggle")["is_active"] is False

    def test_an_unknown_one_is_not_found(self, hub: Hub) -> None:
        hub.patch("/api/schedules/9/toggle", status=404)


class TestPreview:
    def test_it_says_what_the_expression_means_and_when(self, hub: Hub) -> None:
        body = {
            "cron_expression": "0 7 * * MON-FRI",
            "timezone": "Europe/Berlin",
            "count": 3,
            "start": "2026-03-27T00:00:00Z",
        }
        preview = hub.post("/api/schedules/preview", body, status=200)
        assert "Monday to Friday" in preview["sentence"]
        assert preview["next"] == ["2026-03-27T06:00:00Z", "2026-03-30T05:00:00Z", "2026-03-31T05:00:00Z"]
        assert preview["local"][0] == "2026-03-27T07:00:00+01:00"

    @pytest.mark.parametrize("count", [0, 101, "3", 1.5])
    def test_the_count_is_bounded(self, hub: Hub, count: Any) -> None:
        problem = hub.post("/api/schedules/preview", {"cron_expression": "@daily", "count": count}, status=422)
        assert fields(problem) == ["count"]

    def test_the_far_end_of_time_ends_quietly(self, hub: Hub) -> None:
        body = {"cron_expression": "0 0 29 2 *", "count": 100, "start": "2999-12-31T00:00:00Z"}
        assert hub.post("/api/schedules/preview", body, status=200)["next"][0].startswith("3004-02-29")


def test_backfills_belong_to_a_later_version(hub: Hub, report: dict[str, Any]) -> None:
    schedule = hub.schedule(report["id"])
    hub.post(f"/api/schedules/{schedule['id']}/backfill", status=404)
