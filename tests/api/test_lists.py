"""Lists: pages, order, filters, and no parameter that silently does nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.hub import Hub, fields

LISTS = [
    "/api/datasources", "/api/reports", "/api/deliveries", "/api/recipients", "/api/schedules", "/api/executions",
    "/api/dead-letters", "/api/keys", "/api/audit",
]  # fmt: skip


def names(page: dict[str, Any], field: str = "name") -> list[str]:
    return [item[field] for item in page["items"]]


@pytest.mark.parametrize("path", LISTS)
class TestEveryList:
    def test_an_empty_list_is_a_page(self, hub: Hub, path: str) -> None:
        assert hub.get(path) == {"items": [], "total": 0, "limit": 50, "offset": 0}

    @pytest.mark.parametrize("parameter", ["sort=name", "cursor=AAAA", "fields=secret", "Name=x", "limit=5&page=2"])
    def test_an_unknown_parameter_is_refused(self, hub: Hub, path: str, parameter: str) -> None:
        problem = hub.get(f"{path}?{parameter}", status=422)
        assert problem["error"] == "VALIDATION_ERROR"
        assert "limit" in problem["message"]

    @pytest.mark.parametrize("field", ["password", "secrets", "tenant_id", "id;drop", "'"])
    def test_an_unknown_sort_field_is_refused_and_the_known_ones_named(self, hub: Hub, path: str, field: str) -> None:
        problem = hub.call("GET", path, params={"sort_by": field}, status=422)
        assert fields(problem) == ["sort_by"]
        assert "id" in problem["message"]

    @pytest.mark.parametrize(
        "parameter", ["limit=0", "limit=201", "limit=x", "limit=99999999999999999999", "offset=-1", "sort_order=up"]
    )
    def test_impossible_pages_are_refused(self, hub: Hub, path: str, parameter: str) -> None:
        assert fields(hub.get(f"{path}?{parameter}", status=422)) == [parameter.partition("=")[0]]


class TestPages:
    def test_pages_cover_all_rows_once_and_count_them(self, hub: Hub) -> None:
        datasource = hub.datasource()
        for number in range(7):
            hub.report(datasource["id"], f"Report {number}")
        pages = [hub.get(f"/api/reports?limit=3&offset={offset}&sort_by=name") for offset in (0, 3, 6, 9)]
        assert [page["total"] for page in pages] == [7, 7, 7, 7]
        assert [name for page in pages for name in names(page)] == [f"Report {number}" for number in range(7)]

    def test_rows_of_the_same_value_keep_their_order_by_id(self, hub: Hub) -> None:
        report = hub.report()
        made = [hub.schedule(report["id"], "Same")["id"] for _ in range(4)]
        for order, expected in (("asc", made), ("desc", made[::-1])):
            found = hub.get(f"/api/schedules?sort_by=name&sort_order={order}")
            assert [item["id"] for item in found["items"]] == expected

    def test_rows_without_a_value_come_last_in_both_directions(self, hub: Hub) -> None:
        report = hub.report()
        hub.schedule(report["id"], "Paused", is_active=False)
        hub.schedule(report["id"], "Late", cron_expression="0 7 1 1 *")
        hub.schedule(report["id"], "Soon", cron_expression="* * * * *")
        assert names(hub.get("/api/schedules?sort_by=next_run_at")) == ["Soon", "Late", "Paused"]
        assert names(hub.get("/api/schedules?sort_by=next_run_at&sort_order=desc")) == ["Late", "Soon", "Paused"]


class TestFilters:
    @pytest.fixture
    def filled(self, hub: Hub) -> Hub:
        shop = hub.datasource("Shop 100%")
        warehouse = hub.server("ÄRGER_1", host="a.example.com")
        hub.patch(f"/api/datasources/{warehouse['id']}", {"is_active": False})
        orders = hub.report(shop["id"], "Orders", tags=["finance", "Zürich"])
        stock = hub.report(warehouse["id"], "Stock", tags=["fin"], is_active=False)
        mail, folder = hub.mail(orders["id"], "To finance"), hub.delivery(stock["id"], "Share")
        hub.patch(f"/api/deliveries/{folder['id']}", {"is_active": False})
        hub.recipient(mail["id"], "bob@example.com", name="Bob")
        hub.recipient(mail["id"], "eve@example.org", name="Eve", is_active=False)
        hub.schedule(orders["id"], "Daily")
        hub.schedule(stock["id"], "Monthly", is_active=False)
        return hub

    @pytest.mark.parametrize(
        ("path", "parameters", "expected"),
        [
            ("datasources", {"name": "shop"}, ["Shop 100%"]),
            ("datasources", {"name": "%"}, ["Shop 100%"]),
            ("datasources", {"name": "_"}, ["ÄRGER_1"]),
            ("datasources", {"name": "ärger"}, ["ÄRGER_1"]),
            ("datasources", {"name": "ÄRGER"}, ["ÄRGER_1"]),
            ("datasources", {"name": "' OR 1=1 --"}, []),
            ("datasources", {"type": "sqlite"}, ["Shop 100%"]),
            ("datasources", {"type": "oracle"}, []),
            ("datasources", {"is_active": "true"}, ["Shop 100%"]),
            ("datasources", {"is_active": "false"}, ["ÄRGER_1"]),
            ("reports", {"name": "ORD"}, ["Orders"]),
            ("reports", {"datasource_id": 2}, ["Stock"]),
            ("reports", {"tag": "fin"}, ["Stock"]),
            ("reports", {"tag": "finance"}, ["Orders"]),
            ("reports", {"tag": "Zürich"}, ["Orders"]),
            ("reports", {"is_active": "false"}, ["Stock"]),
            ("reports", {"is_active": "false", "tag": "finance"}, []),
            ("deliveries", {"name": "share"}, ["Share"]),
            ("deliveries", {"config_id": 1}, ["To finance"]),
            ("deliveries", {"method": "local_folder"}, ["Share"]),
            ("deliveries", {"is_active": "true"}, ["To finance"]),
            ("recipients", {"delivery_id": 1}, ["Bob", "Eve"]),
            ("recipients", {"delivery_id": 2}, []),
            ("recipients", {"address": "ORG"}, ["Eve"]),
            ("recipients", {"name": "bo"}, ["Bob"]),
            ("recipients", {"is_active": "false"}, ["Eve"]),
            ("schedules", {"name": "ily"}, ["Daily"]),
            ("schedules", {"config_id": 2}, ["Monthly"]),
            ("schedules", {"is_active": "true"}, ["Daily"]),
        ],
    )
    def test_a_filter_shows_what_fits(
        self, filled: Hub, path: str, parameters: dict[str, Any], expected: list[str]
    ) -> None:
        page = filled.get(f"/api/{path}", params=parameters)
        assert (names(page), page["total"]) == (expected, len(expected))

    def test_a_nul_in_a_filter_is_refused(self, hub: Hub) -> None:
        hub.get("/api/reports?name=a%00b", status=400)


def test_lists_can_be_sorted_by_each_named_field(hub: Hub) -> None:
    hub.everything()
    for path in LISTS:
        known = hub.get(f"{path}?sort_by=nothing", status=422)["message"].removeprefix("Sorting works by: ")
        for field in known.rstrip(".").split(", "):
            hub.get(f"{path}?sort_by={field}&sort_order=desc")
