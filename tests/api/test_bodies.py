"""Bodies that are no JSON, or more than JSON: refused in one form, and the next request is served."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import MakeHub
from tests.api.hub import Hub, fields

CORPUS = json.loads((Path(__file__).parents[1] / "corpora" / "api_bodies.json").read_text())
JSON = {"content-type": "application/json"}
# A text, an integer, a number and a free JSON field of each endpoint; what else a good body needs.
ENDPOINTS: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "/api/datasources": ({"STR": "name", "OBJ": "connection_config"}, {"type": "sqlite"}),
    "/api/reports": (
        {"STR": "name", "INT": "row_limit", "NUM": "timeout_seconds", "OBJ": "chart"},
        {"datasource_id": 1, "query": "SELECT 1"},
    ),
    "/api/deliveries": (
        {"STR": "name", "INT": "config_id", "NUM": "max_retry", "OBJ": "delivery_config"},
        {"method": "local_folder"},
    ),
    "/api/recipients": ({"STR": "address", "INT": "delivery_id", "OBJ": "filter"}, {"kind": "cc"}),
    "/api/schedules": (
        {"STR": "name", "INT": "config_id", "NUM": "jitter_seconds", "OBJ": "parameters"},
        {"cron_expression": "0 7 * * *"},
    ),
}


def body_of(case: dict[str, Any], names: dict[str, str], rest: dict[str, Any]) -> str:
    """The case's text in the endpoint's words, with what a good body needs besides."""
    body = case.get("body", '{"STR": "a"}')
    if isinstance(body, dict):
        body = body["inside"].replace("@", body["repeat"] * body["times"])
    for placeholder in ("STR", "INT", "NUM", "OBJ"):
        body = body.replace(f'"{placeholder}"', f'"{names.get(placeholder, placeholder)}"')
    needed = "".join(f", {json.dumps(name)}: {json.dumps(value)}" for name, value in rest.items())
    return body[:-1] + needed + "}" if body.endswith("}") and len(body) > 2 else body


def body_cases() -> list[dict[str, Any]]:
    return [case for case in CORPUS["cases"] if "body" in case]


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
@pytest.mark.parametrize("case", body_cases(), ids=lambda case: case["id"])
def test_a_bad_body_is_refused_on_every_writing_endpoint(
    hub: Hub, path: str, method: str, case: dict[str, Any]
) -> None:
    names, rest = ENDPOINTS[path]
    headers = {"content-type": case.get("content_type", "application/json")}
    target = path if method == "POST" else f"{path}/1"
    content = body_of(case, names, {} if method == "PATCH" else rest)
    response = hub.send(method, target, content=content, headers=headers)
    allowed = set(case["expect"])
    if 201 in allowed:
        allowed |= {404, 422}  # what the body refers to does not exist here; see the next test
    assert response.status_code in allowed, response.text
    hub.datasource()


@pytest.mark.parametrize("case", [case for case in body_cases() if 201 in case["expect"]], ids=lambda case: case["id"])
def test_a_good_body_of_the_corpus_is_taken(hub: Hub, case: dict[str, Any]) -> None:
    names, rest = ENDPOINTS["/api/datasources"]
    content = body_of(case, names, rest | {"connection_config": {"path": "x.sqlite"}})
    response = hub.send("POST", "/api/datasources", content=content, headers={"content-type": case["content_type"]})
    assert response.status_code in case["expect"], response.text


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("case", [c for c in CORPUS["cases"] if "body" not in c], ids=lambda case: case["id"])
def test_bad_paths_parameters_and_headers_end_as_described(hub: Hub, path: str, case: dict[str, Any]) -> None:
    made = hub.everything()[path]
    headers = case.get("headers", {})
    if "path_id" in case:
        response = hub.send("GET", f"{path}/{case['path_id']}")
    elif "query" in case:
        response = hub.send("GET", f"{path}?{case['query']}")
    elif "If-Match" in headers:
        response = hub.send("PATCH", f"{path}/{made['id']}", {"is_active": False}, headers=headers)
    elif "Content-Length" in headers:
        response = hub.send("POST", path, content="{}", headers=JSON | headers)
    else:
        response = hub.send("GET", path, headers=headers)
    assert response.status_code in case["expect"], response.text
    hub.get(f"{path}/{made['id']}")


class TestJson:
    @pytest.mark.parametrize(
        "content", ["{", "", "[", "nul", "{'a': 1}", '{"a": 1,}', '{"a": NaN}', '{"a" 1}', "\ufeff{}", '{"a": 1} {}']
    )
    def test_what_is_no_json_is_malformed(self, hub: Hub, content: str) -> None:
        response = hub.send("POST", "/api/datasources", content=content.encode(), headers=JSON)
        assert response.status_code == (422 if content == "" else 400), response.text

    @pytest.mark.parametrize(
        "content", ["{}".encode("utf-16"), "{}".encode("utf-32-le"), b'{"name": "\xff"}', b"\x00", b"\x1f\x8b\x08"]
    )
    def test_other_bytes_than_utf_8_are_refused(self, hub: Hub, content: bytes) -> None:
        assert hub.send("POST", "/api/datasources", content=content, headers=JSON).status_code == 400

    @pytest.mark.parametrize("depth", [65, 5_000, 200_000])
    def test_deep_nesting_is_refused(self, hub: Hub, depth: int) -> None:
        content = f'{{"name": "x", "type": "sqlite", "connection_config": {"[" * depth}{"]" * depth}}}'
        assert hub.send("POST", "/api/datasources", content=content, headers=JSON).status_code == 422

    def test_a_key_that_is_named_twice_is_refused(self, hub: Hub) -> None:
        content = '{"name": "a", "type": "sqlite", "connection_config": {"path": "a", "path": "b"}}'
        response = hub.send("POST", "/api/datasources", content=content, headers=JSON)
        assert (response.status_code, response.json()["message"]) == (422, "The body names a key twice.")

    def test_a_body_in_pieces_is_counted_while_it_comes_in(self, make_hub: MakeHub) -> None:
        hub = make_hub(max_body_bytes=2048)
        pieces = (b" " * 1024 for _ in range(1000))
        response = hub.send("POST", "/api/datasources", content=pieces, headers=JSON)
        assert (response.status_code, response.json()["error"]) == (413, "BODY_TOO_LARGE")
        assert hub.send("POST", "/api/datasources", content=b" " * 2049, headers=JSON).status_code == 413

    def test_a_body_as_large_as_allowed_is_taken(self, make_hub: MakeHub) -> None:
        hub = make_hub(max_body_bytes=2048)
        body = json.dumps({"name": "x", "type": "sqlite", "connection_config": {"path": "x.sqlite"}}).ljust(2048)
        assert hub.send("POST", "/api/datasources", content=body, headers=JSON).status_code == 201


class TestNames:
    @pytest.mark.parametrize("name", ["", "   ", "x" * 201, "a\nb", "a\tb", "a\u202eb", "\u0000", "a\u001b[31m"])
    def test_names_are_one_line_of_200_characters(self, hub: Hub, name: str) -> None:
        body = {"name": name, "type": "sqlite", "connection_config": {"path": "x"}}
        assert hub.send("POST", "/api/datasources", body).status_code == 422

    @pytest.mark.parametrize(
        "name", ["x" * 200, "  Übung  ", "売上レポート", "<script>alert(1)</script>", "a'b\"c", "👩‍👩‍👧"]
    )
    def test_any_script_is_kept_as_it_was_sent(self, hub: Hub, name: str) -> None:
        made = hub.datasource(name)
        assert made["name"] == name.strip()
        assert hub.get(f"/api/datasources/{made['id']}")["name"] == name.strip()

    def test_the_path_of_a_field_that_is_called_query_is_query(self, hub: Hub) -> None:
        datasource = hub.datasource()
        body = {"name": "x", "datasource_id": datasource["id"], "query": 5}
        assert fields(hub.post("/api/reports", body, status=422)) == ["query"]


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01T00:00:00", "tomorrow", 5]
)
def test_moments_that_cannot_be_kept_are_refused(hub: Hub, moment: Any) -> None:
    report = hub.report()
    body = {"config_id": report["id"], "name": "x", "cron_expression": "0 7 * * *", "start_at": moment}
    assert fields(hub.post("/api/schedules", body, status=422)) == ["start_at"]
    assert fields(hub.call("GET", "/api/executions", params={"since": str(moment) + "x"}, status=422)) == ["since"]
    preview = {"cron_expression": "0 7 * * *", "start": moment}
    assert fields(hub.post("/api/schedules/preview", preview, status=422)) == ["start"]
