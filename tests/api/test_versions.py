"""Two people change the same definition: the second one is told, and nothing is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.api.hub import Hub


@pytest.fixture
def report(hub: Hub) -> dict[str, Any]:
    """At version 2."""
    made = hub.report(tags=["a"])
    return dict(hub.patch(f"/api/reports/{made['id']}", {"tags": ["b"]}))


def body_of(report: dict[str, Any]) -> dict[str, Any]:
    return {"name": report["name"], "datasource_id": report["datasource_id"], "query": report["query"]}


def test_each_change_counts_up(report: dict[str, Any]) -> None:
    assert (report["version"], report["tags"]) == (2, ["b"])


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_an_old_version_is_refused_with_the_current_one(hub: Hub, report: dict[str, Any], method: str) -> None:
    problem = hub.call(method, f"/api/reports/{report['id']}", body_of(report) | {"version": 1}, status=409)
    assert (problem["error"], problem["current_version"]) == ("CONFLICT", 2)
    assert hub.get(f"/api/reports/{report['id']}") == report


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_the_current_version_is_taken(hub: Hub, report: dict[str, Any], method: str) -> None:
    changed = hub.call(method, f"/api/reports/{report['id']}", body_of(report) | {"version": 2})
    assert changed["version"] == 3


def test_a_deletion_of_an_old_version_is_refused(hub: Hub, report: dict[str, Any]) -> None:
    assert hub.delete(f"/api/reports/{report['id']}?version=1", status=409)["current_version"] == 2
    hub.delete(f"/api/reports/{report['id']}?version=2")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("tag", ['"1"', '"old"', 'W/"2"', '"1", "7"'])
def test_if_match_with_another_version_fails_the_precondition(
    hub: Hub, report: dict[str, Any], method: str, tag: str
) -> None:
    body = None if method == "DELETE" else body_of(report)
    problem = hub.call(method, f"/api/reports/{report['id']}", body, headers={"If-Match": tag}, status=412)
    assert (problem["error"], problem["current_version"]) == ("PRECONDITION_FAILED", 2)
    assert hub.get(f"/api/reports/{report['id']}") == report


@pytest.mark.parametrize("tag", ['"2"', "*", '"1", "2"'])
def test_if_match_with_this_version_is_fulfilled(hub: Hub, report: dict[str, Any], tag: str) -> None:
    response = hub.send("PATCH", f"/api/reports/{report['id']}", {"tags": []}, headers={"If-Match": tag})
    assert (response.status_code, response.headers["etag"]) == (200, '"3"')


def test_an_answer_names_its_version_as_etag(hub: Hub, report: dict[str, Any]) -> None:
    assert hub.send("GET", f"/api/reports/{report['id']}").headers["etag"] == '"2"'


def test_changes_of_different_fields_at_the_same_moment_are_all_kept(hub: Hub, report: dict[str, Any]) -> None:
    changes = [{"description": "new"}, {"row_limit": 7}, {"is_active": False}, {"timeout_seconds": 9}] * 3
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda change: hub.patch(f"/api/reports/{report['id']}", change), changes))
    shown = hub.get(f"/api/reports/{report['id']}")
    assert shown["version"] == 2 + len(changes)
    assert (shown["description"], shown["row_limit"], shown["is_active"], shown["timeout_seconds"]) == (
        "new", 7, False, 9,
    )  # fmt: skip


def test_of_many_who_name_the_same_version_one_wins(hub: Hub, report: dict[str, Any]) -> None:
    def change(number: int) -> int:
        body = {"description": f"by {number}", "version": 2}
        return hub.send("PATCH", f"/api/reports/{report['id']}", body).status_code

    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(change, range(8)))
    assert statuses == [200] + [409] * 7
