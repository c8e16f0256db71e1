"""Configurations of plug-ins: their own models decide, and the path of the field is named."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from shared.network import NetworkPolicy
from shared.plugins import plugins
from shared.plugins.schema import ConfigPolicy, check_config
from tests.api.conftest import MakeHub
from tests.api.hub import Hub, fields, server_body

CORPUS = json.loads((Path(__file__).parents[1] / "corpora" / "datasource_config.json").read_text())
OUR_KINDS = {"postgres": "postgresql"}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"port": "5432"}, ["connection_config.port"]),
        ({"port": 5432.5}, ["connection_config.port"]),
        ({"port": 0}, ["connection_config.port"]),
        ({"port": 65536}, ["connection_config.port"]),
        ({"port": True}, ["connection_config.port"]),
        ({"prot": 5432}, ["connection_config.prot"]),
        ({"host": None}, ["connection_config.host"]),
        ({"host": ""}, ["connection_config.host"]),
        ({"tls": "maybe"}, ["connection_config.tls"]),
        ({"password": 17}, ["connection_config.password"]),
        ({"port": "x", "database": 1, "hots": "y"}, ["database", "hots", "port"]),
    ],
)
def test_a_wrong_field_is_named_with_its_path(hub: Hub, config: dict[str, Any], expected: list[str]) -> None:
    problem = hub.post("/api/datasources", {"name": "x"} | server_body(**config), status=422)
    assert sorted(name.rpartition(".")[2] for name in fields(problem)) == [n.rpartition(".")[2] for n in expected]
    assert all(name.startswith("connection_config.") for name in fields(problem))


def test_what_is_missing_is_named(hub: Hub) -> None:
    problem = hub.post("/api/datasources", {"name": "x", "type": "mysql", "connection_config": {}}, status=422)
    assert fields(problem) == ["connection_config.host", "connection_config.database", "connection_config.username"]


@pytest.mark.parametrize("kind", ["oracl", "", "POSTGRESQL", "../sqlite", "_server", "x" * 65])
def test_an_unknown_kind_is_refused(hub: Hub, kind: str) -> None:
    body = {"name": "x", "type": kind, "connection_config": {}}
    assert fields(hub.post("/api/datasources", body, status=422)) == ["type"]


def test_the_refusal_of_an_unknown_kind_lists_those_that_exist(hub: Hub) -> None:
    problem = hub.post("/api/datasources", {"name": "x", "type": "access", "connection_config": {}}, status=422)
    assert all(kind in problem["message"] for kind in plugins("connector"))


def test_deliveries_are_checked_by_their_own_models(hub: Hub) -> None:
    report = hub.report()
    body = {"config_id": report["id"], "name": "x", "method": "email", "delivery_config": {"host": "h", "prot": 1}}
    found = fields(hub.post("/api/deliveries", body, status=422))
    assert "delivery_config.prot" in found
    assert "delivery_config.from_address" in found
    problem = hub.post("/api/deliveries", body | {"method": "pigeon"}, status=422)
    assert fields(problem) == ["method"]


class TestFolders:
    @pytest.mark.parametrize("path", ["/etc/passwd", "../secret.key", "a/../../x.db", "link.db", "file:///etc/passwd"])
    def test_a_file_outside_the_allowed_folders_is_refused(self, hub: Hub, path: str) -> None:
        (hub.files / "link.db").symlink_to("/etc/hostname")
        body = {"name": "x", "type": "sqlite", "connection_config": {"path": path}}
        assert fields(hub.post("/api/datasources", body, status=422)) == ["connection_config.path"]

    def test_a_folder_outside_is_no_place_for_deliveries(self, hub: Hub) -> None:
        report = hub.report()
        delivery = {"config_id": report["id"], "name": "x", "method": "local_folder"}
        for path in ("/tmp", "..", "/"):
            body = delivery | {"delivery_config": {"path": path}}
            assert fields(hub.post("/api/deliveries", body, status=422)) == ["delivery_config.path"]

    def test_folders_that_the_operator_allows_can_be_named(self, make_hub: MakeHub, tmp_path: Path) -> None:
        outside = tmp_path / "srv"
        outside.mkdir()
        hub = make_hub(allowed_folders=(tmp_path / "data" / "files", outside))
        config = {"path": str(outside / "sales.duckdb")}
        hub.post("/api/datasources", {"name": "x", "type": "duckdb", "connection_config": config})

    @pytest.mark.parametrize("name", ["report_hub.sqlite", "report_hub.sqlite-wal", "secret.key", "artifacts/x.sqlite"])
    def test_our_own_files_are_no_datasource(self, make_hub: MakeHub, tmp_path: Path, name: str) -> None:
        hub = make_hub(allowed_folders=(tmp_path / "data",))
        body = {"name": "x", "type": "sqlite", "connection_config": {"path": name}}
        problem = hub.post("/api/datasources", body, status=422)
        assert "Report Hub itself" in problem["message"]


def test_a_private_address_is_refused_when_it_is_saved(hub: Hub, make_hub: MakeHub) -> None:
    body = {"name": "x"} | server_body(host="10.1.2.3")
    assert fields(hub.post("/api/datasources", body, status=422)) == ["connection_config.host"]
    make_hub(allowed_networks=("10.0.0.0/8",)).post("/api/datasources", body)


@pytest.mark.parametrize("case", CORPUS["cases"], ids=lambda case: case["id"])
def test_every_case_of_the_corpus_ends_as_described(hub: Hub, case: dict[str, Any], monkeypatch: Any) -> None:
    """Kinds that are not installed are refused as unknown, whatever their configuration."""
    monkeypatch.setattr(socket, "getaddrinfo", _no_look_up)
    kind = OUR_KINDS.get(case["type"], case["type"])
    if kind == "duckdb":
        (hub.files / "link.db").symlink_to("/etc/hostname")
    policy = ConfigPolicy(
        folders=(hub.files,),
        network=NetworkPolicy() if "policy" not in case else _everything(),
        own_paths=(hub.files / "reporthub.db",),
        requires_references="references" in case["why"],
    )
    is_allowed = case["verdict"] == "allow" and kind in plugins("connector")
    verdict = check_config("connector", kind, case["config"], policy)
    assert verdict.allowed is is_allowed, verdict
    assert verdict.allowed or all(problem.field and problem.message for problem in verdict.problems)


def _everything() -> NetworkPolicy:
    import ipaddress

    return NetworkPolicy((ipaddress.ip_network("10.0.0.0/8"),))


def _no_look_up(*_: Any, **__: Any) -> Any:
    raise AssertionError("a configuration that is only saved looks nothing up")


@pytest.mark.parametrize("case", CORPUS["cases"], ids=lambda case: case["id"])
def test_the_api_says_the_same_as_the_check(hub: Hub, case: dict[str, Any]) -> None:
    """With the server's own policy; nothing of the corpus is a 5xx."""
    kind = OUR_KINDS.get(case["type"], case["type"])
    settings = hub.settings
    policy = ConfigPolicy(settings.folders, settings.network_policy, settings.own_paths)
    wanted = check_config("connector", kind, case["config"], policy)
    body = {"name": case["id"], "type": kind, "connection_config": case["config"]}
    response = hub.send("POST", "/api/datasources", body)
    assert (response.status_code == 201) is wanted.allowed, response.text
    assert response.status_code in (201, 422)


def test_where_references_are_required_values_are_refused(make_hub: MakeHub) -> None:
    hub = make_hub(require_secret_references=True)
    problem = hub.post("/api/datasources", {"name": "x"} | server_body(), status=422)
    assert fields(problem) == ["connection_config.password"]
    hub.server(password="env:REPORT_HUB_SECRET_PG")
