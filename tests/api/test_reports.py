"""Reports: the query is proved to read only, and everything it needs is there, before it is saved."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import MakeHub
from tests.api.hub import Hub, fields


@pytest.fixture
def good(hub: Hub) -> dict[str, Any]:
    """A body that is accepted."""
    query = "SELECT id FROM orders WHERE id = :id"
    parameters = [{"name": "id", "type": "integer", "default": 1}]
    return {"name": "Orders", "datasource_id": hub.datasource()["id"], "query": query, "parameters": parameters}


def test_the_good_body_is_accepted(hub: Hub, good: dict[str, Any]) -> None:
    made = hub.post("/api/reports", good)
    assert (made["formats"], made["on_cap"], made["file_name_template"]) == (["csv"], "fail", "{report}_{date}")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"datasource_id": 99}, ["datasource_id"]),
        ({"query": None}, ["query"]),
        ({"query_spec": {"table": "orders", "fields": [{"column": "id"}]}}, ["query"]),
        ({"query": "DELETE FROM orders"}, ["query"]),
        ({"query": "SELECT 1; SELECT 2"}, ["query"]),
        ({"query": "SELECT id FROM orders WHERE id = :other"}, ["query"]),
        ({"query": None, "query_spec": {"table": "orders"}}, ["query_spec.fields"]),
        ({"query": None, "query_spec": {"fields": [], "table": 7}}, None),
        ({"parameters": [{"name": "id", "type": "integer"}, {"name": "id", "type": "date"}]}, ["parameters.1.name"]),
        ({"parameters": [{"name": "id", "type": "whole"}]}, ["parameters.0.type"]),
        ({"parameters": [{"name": "id", "type": "date", "default": "tomorow"}]}, ["parameters.0.default"]),
        ({"parameters": [{"name": "1d", "type": "date"}]}, ["parameters.0.name"]),
        ({"parameters": [{"name": "id", "typ": "date"}]}, ["parameters.0.typ"]),
        ({"formats": ["csv", "docx"]}, ["formats.1"]),
        ({"formats": []}, ["formats"]),
        ({"format_options": {"docx": {}}}, ["format_options.docx"]),
        ({"format_options": {"csv": {"delimeter": ";"}}}, ["format_options.csv.delimeter"]),
        ({"format_options": {"csv": []}}, ["format_options.csv"]),
        ({"file_name_template": "{reprot}"}, ["file_name_template"]),
        ({"file_name_template": "{report.__class__}"}, ["file_name_template"]),
        ({"file_name_template": ""}, ["file_name_template"]),
        ({"row_limit": 0}, ["row_limit"]),
        ({"row_limit": 2**31}, ["row_limit"]),
        ({"timeout_seconds": 10**9}, ["timeout_seconds"]),
        ({"on_cap": "cut"}, ["on_cap"]),
        ({"tags": [""]}, ["tags.0"]),
        ({"tags": ["x"] * 51}, ["tags"]),
    ],
)
def test_what_is_wrong_is_named(
    hub: Hub, good: dict[str, Any], changes: dict[str, Any], expected: list[str] | None
) -> None:
    found = fields(hub.post("/api/reports", good | changes, status=422))
    assert found == expected or (expected is None and all(name.startswith("query_spec") for name in found))


def test_a_refused_query_tells_line_and_column(hub: Hub, good: dict[str, Any]) -> None:
    problem = hub.post("/api/reports", good | {"query": "SELECT id\nFROM orders;\nDROP TABLE orders"}, status=422)
    assert (problem["error"], problem["line"]) == ("QUERY_REFUSED", 2)
    assert problem["column"] >= 1


def test_limits_of_the_server_are_named(make_hub: MakeHub) -> None:
    hub = make_hub(max_row_limit=1000, max_timeout=60)
    body = {"name": "x", "datasource_id": hub.datasource()["id"], "query": "SELECT 1"}
    problem = hub.post("/api/reports", body | {"row_limit": 1001, "timeout_seconds": 61}, status=422)
    assert fields(problem) == ["row_limit", "timeout_seconds"]
    assert "1,000" in problem["message"]


def test_formats_and_options_are_kept_by_the_name_of_the_file_ending(hub: Hub, good: dict[str, Any]) -> None:
    changes = {"formats": ["excel", "csv", "xlsx"], "format_options": {"excel": {}}}
    made = hub.post("/api/reports", good | changes)
    assert (made["formats"], list(made["format_options"])) == (["xlsx", "csv"], ["xlsx"])


def test_a_query_can_be_exchanged_for_a_spec(hub: Hub, good: dict[str, Any]) -> None:
    made = hub.post("/api/reports", good)
    spec = {"table": "orders", "fields": [{"column": "id"}]}
    assert fields(hub.patch(f"/api/reports/{made['id']}", {"query_spec": spec}, status=422)) == ["query"]
    changed = hub.patch(f"/api/reports/{made['id']}", {"query_spec": spec, "query": None})
    assert (changed["query"], changed["query_spec"]["table"]) == (None, "orders")


def test_a_report_cannot_move_to_a_datasource_whose_dialect_refuses_its_query(hub: Hub, good: dict[str, Any]) -> None:
    made = hub.post("/api/reports", good | {"query": "SELECT strftime('%Y', id) FROM orders WHERE id = :id"})
    server = hub.server()
    assert fields(hub.patch(f"/api/reports/{made['id']}", {"datasource_id": server["id"]}, status=422)) == ["query"]


@pytest.fixture
def documents(hub: Hub) -> int:
    """A datasource whose queries are not SQL; nothing connects to it."""
    config = {"host": "mongo.example.com", "database": "shop"}
    return int(
        hub.post("/api/datasources", {"name": "Documents", "type": "mongodb", "connection_config": config})["id"]
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"query": '{"collection": "orders", "pipeline": [{"$out": "stolen"}]}'}, ["query"]),
        ({"query": '{"collection": "orders", "filter": {"$where": "sleep(1000)"}}'}, ["query"]),
        ({"query": "SELECT 1"}, ["query"]),
        ({"query": '{"collection": "orders", "filter": {"id": {"$param": "unknown"}}}'}, ["query"]),
        ({"query": None, "query_spec": {"table": "orders", "fields": [{"column": "id"}]}}, ["query_spec"]),
    ],
)
def test_queries_that_are_not_sql_are_proved_to_read_only_too(
    hub: Hub, documents: int, changes: dict[str, Any], expected: list[str]
) -> None:
    good = {"name": "Found", "datasource_id": documents, "query": '{"collection": "orders", "filter": {"id": 1}}'}
    assert fields(hub.post("/api/reports", {**good, **changes}, status=422)) == expected
    hub.post("/api/reports", good)
