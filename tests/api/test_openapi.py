"""The OpenAPI document: what clients are generated from."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.hub import Hub


@pytest.fixture
def document(hub: Hub) -> dict[str, Any]:
    return dict(hub.client.get("/openapi.json").json())


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(method, path, found) for path, methods in document["paths"].items() for method, found in methods.items()]


def test_operation_ids_are_unique_words(document: dict[str, Any]) -> None:
    ids = [found["operationId"] for _, _, found in operations(document)]
    assert len(ids) == len(set(ids)) > 50
    assert [name for name in ids if not name.isidentifier()] == []


def test_every_operation_has_a_tag_and_a_summary(document: dict[str, Any]) -> None:
    for method, path, found in operations(document):
        assert len(found["tags"]) == 1, (method, path)
        assert found["summary"], (method, path)


def test_every_refusal_has_the_form_of_our_envelope(document: dict[str, Any]) -> None:
    assert "HTTPValidationError" not in document["components"]["schemas"]
    for method, path, found in operations(document):
        for status, response in found["responses"].items():
            if int(status) >= 400:
                schema = response["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/ErrorEnvelope"}, (method, path, status)


def test_every_good_answer_has_a_typed_envelope(document: dict[str, Any]) -> None:
    for method, path, found in operations(document):
        good = [answer for status, answer in found["responses"].items() if status in ("200", "201", "202")]
        for answer in good:
            content = answer["content"]
            if "application/json" not in content:
                assert content.keys() & {"text/event-stream", "application/octet-stream", "text/plain"}, (method, path)
                continue
            reference = content["application/json"]["schema"]["$ref"]
            schema = document["components"]["schemas"][reference.rpartition("/")[2]]
            assert schema["properties"].keys() == {"status", "message", "data"}, (method, path)
            assert schema["properties"]["data"].keys() & {"$ref", "items"}, (method, path)


def test_names_of_schemas_can_be_read(document: dict[str, Any]) -> None:
    names = document["components"]["schemas"]
    assert [name for name in names if not name.isidentifier() or "__" in name] == []
    assert {"DatasourceEnvelope", "DatasourcePageEnvelope", "DatasourceChanges", "TableListEnvelope"} <= names.keys()


def test_every_body_has_an_example_of_its_own_fields(document: dict[str, Any]) -> None:
    for method, path, found in operations(document):
        if "requestBody" not in found:
            continue
        schema = found["requestBody"]["content"]["application/json"]["schema"]
        reference = schema.get("$ref") or next(option["$ref"] for option in schema["anyOf"] if "$ref" in option)
        body = document["components"]["schemas"][reference.rpartition("/")[2]]
        if path.endswith("/execute"):
            continue  # shared with the engine
        assert body.get("examples"), (method, path)
        assert all(example.keys() <= body["properties"].keys() for example in body["examples"]), (method, path)


@pytest.mark.parametrize(
    "path", ["/api/datasources", "/api/reports", "/api/deliveries", "/api/recipients", "/api/schedules"]
)
def test_the_example_of_a_new_one_is_accepted(hub: Hub, document: dict[str, Any], path: str) -> None:
    hub.everything()
    schema = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    (example,) = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]["examples"]
    hub.post(path, example)


@pytest.mark.parametrize(
    "path", ["/api/datasources", "/api/reports", "/api/deliveries", "/api/recipients", "/api/schedules"]
)
def test_the_example_of_a_change_is_accepted(hub: Hub, document: dict[str, Any], path: str) -> None:
    hub.everything()
    row_id = hub.server()["id"] if path == "/api/datasources" else 1
    schema = document["paths"][f"{path}/{{id}}"]["patch"]["requestBody"]["content"]["application/json"]["schema"]
    (example,) = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]["examples"]
    hub.patch(f"{path}/{row_id}", example)


def test_the_paths_of_the_contract_are_there(document: dict[str, Any]) -> None:
    expected = {
        f"/api/{name}{rest}"
        for name in ("datasources", "reports", "schedules", "deliveries", "recipients")
        for rest in ("", "/{id}")
    } | {
        "/api/datasources/{id}/tables", "/api/datasources/{id}/test", "/api/reports/{id}/execute",
        "/api/reports/{id}/executions", "/api/reports/{id}/preview", "/api/validate-query",
        "/api/schedules/{id}/toggle", "/api/schedules/{id}/run", "/api/schedules/preview",
        "/api/deliveries/{id}/test", "/api/executions", "/api/executions/{execution_id}",
        "/api/executions/{execution_id}/download", "/api/executions/{execution_id}/retry",
        "/api/executions/{execution_id}/artifacts/{artifact_id}/download", "/api/executions/{execution_id}/cancel",
        "/api/executions/{execution_id}/events", "/api/dead-letters", "/api/dead-letters/{id}/replay",
        "/api/plugins", "/api/keys", "/api/audit", "/health", "/ready", "/version", "/metrics",
    }  # fmt: skip
    assert expected <= document["paths"].keys()


def test_the_document_names_no_machine(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    assert "127.0.0.1" not in text
    assert "/tmp" not in text


class TestPlugins:
    def test_families_kinds_and_schemas_are_listed(self, hub: Hub) -> None:
        found = hub.get("/api/plugins")
        assert found.keys() == {"connectors", "converters", "deliverers"}
        kinds = {family: {plugin["kind"] for plugin in plugins} for family, plugins in found.items()}
        assert kinds["connectors"] >= {"sqlite", "duckdb", "mysql", "postgresql"}
        assert kinds["converters"] >= {"csv", "excel", "json", "pdf"}
        assert kinds["deliverers"] >= {"local_folder", "email", "webhook"}

    def test_a_plugin_says_what_a_form_needs(self, hub: Hub) -> None:
        plugins = {plugin["kind"]: plugin for plugin in hub.get("/api/plugins")["connectors"]}
        postgresql = plugins["postgresql"]
        assert (postgresql["is_installed"], postgresql["secret_fields"]) == (True, ["password"])
        schema = postgresql["config_schema"]
        assert set(schema["required"]) == {"host", "database", "username"}
        assert all(field.get("title") and field.get("description") for field in schema["properties"].values())

    def test_a_missing_driver_shows_its_install_line(self, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        from connectors.mysql import MysqlConnector

        monkeypatch.setattr(MysqlConnector, "drivers", ("no_such_driver",))
        plugins = {plugin["kind"]: plugin for plugin in hub.get("/api/plugins")["connectors"]}
        mysql = plugins["mysql"]
        assert (mysql["is_installed"], mysql["missing_drivers"]) == (False, ["no_such_driver"])
        assert mysql["install"] == 'pip install "report-hub[mysql]"'
