"""Container images, compose files and units: what they name exists. No engine runs here, so nothing is built."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.settings import PREFIX, Settings
from tests.docs.pages import ROOT

SERVICES = {
    "api": ("config_api", "config_port"),
    "executor": ("execution_engine", "engine_port"),
    "scheduler": ("scheduler", "scheduler_port"),
}
UNITS = sorted((ROOT / "deploy/systemd").glob("*.service"))
_VARIABLE = re.compile(rf"\b{PREFIX}[A-Z_]+")
_OUTSIDE = {f"{PREFIX}API_KEY", f"{PREFIX}SECRET_FOLDER"}


class _Loader(yaml.SafeLoader):
    """Knows Compose's own tags."""


_Loader.add_constructor("!override", lambda loader, node: loader.construct_object(_plain(node), deep=True))


def _plain(node: Any) -> Any:
    kind = {yaml.MappingNode: "map", yaml.SequenceNode: "seq", yaml.ScalarNode: "str"}[type(node)]
    return type(node)(f"tag:yaml.org,2002:{kind}", node.value, node.start_mark, node.end_mark)


def _compose(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load((ROOT / "deploy" / name).read_text(), _Loader)
    return loaded


def _dockerfile(service: str) -> list[tuple[str, str]]:
    """Instructions and their arguments, continued lines joined."""
    text = (ROOT / f"Dockerfile.{service}").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in map(str.strip, lines)]


@pytest.mark.parametrize(
    "name",
    ["deploy/compose.yaml", "deploy/compose.postgres.yaml", *map(str, UNITS), *(f"Dockerfile.{n}" for n in SERVICES)],
)
def test_every_variable_is_a_setting(name: str) -> None:
    settings = {f"{PREFIX}{field.upper()}" for field in Settings.model_fields}
    known = settings | {f"{setting}_FILE" for setting in settings} | _OUTSIDE
    assert set(_VARIABLE.findall((ROOT / name).read_text())) <= known


@pytest.mark.parametrize("service", SERVICES)
class TestDockerfile:
    def test_runs_the_real_module_as_somebody_who_is_not_root(self, service: str) -> None:
        module, _ = SERVICES[service]
        instructions = _dockerfile(service)
        assert instructions[-1] == ("CMD", f'["python", "-m", "{module}"]')
        assert importlib.util.find_spec(f"{module}.__main__") is not None
        users = [argument for name, argument in instructions if name == "USER"]
        assert users == ["report-hub"]
        assert any(
            name == "RUN" and re.search(r"useradd --uid [1-9]\d* .* report-hub$", text) for name, text in instructions
        )

    def test_asks_the_health_of_the_port_that_it_exposes(self, service: str) -> None:
        _, field = SERVICES[service]
        port = Settings.model_fields[field].default
        instructions = dict(_dockerfile(service))
        assert instructions["EXPOSE"] == str(port)
        assert f"http://127.0.0.1:{port}/health" in instructions["HEALTHCHECK"]
        assert '["python", "-c",' in instructions["HEALTHCHECK"]

    def test_installs_extras_that_exist(self, service: str) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        install = next(text for name, text in _dockerfile(service) if name == "RUN" and "pip install" in text)
        extras = re.search(r"\[([\w,]+)\]", install)
        assert extras is not None
        assert set(extras[1].split(",")) <= project["optional-dependencies"].keys()

    def test_builds_in_one_stage_and_runs_in_another(self, service: str) -> None:
        instructions = _dockerfile(service)
        stages = [argument for name, argument in instructions if name == "FROM"]
        assert stages == ["python:3.11-slim AS build", "python:3.11-slim"]
        copies = [argument for name, argument in instructions if name == "COPY"]
        assert copies == [". /src", "--from=build /opt/report-hub /opt/report-hub"]


def test_the_build_context_has_all_that_the_distribution_needs_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = {line.removeprefix("!") for line in lines if line.startswith("!")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert "*" in lines
    assert allowed == {*packages, "pyproject.toml", project["project"]["readme"], "LICENSE"}
    assert all((ROOT / name).exists() for name in allowed)


@pytest.mark.parametrize("service", ["config", "engine", "scheduler"])
def test_a_composed_service_waits_for_a_healthy_database_and_gets_its_secrets(service: str) -> None:
    compose = _compose("compose.yaml")
    found = compose["services"][service]
    assert found["depends_on"]["database"] == {"condition": "service_healthy"}
    assert (ROOT / "deploy" / found["build"]["context"] / found["build"]["dockerfile"]).is_file()
    for name in found["secrets"]:
        assert compose["secrets"][name]["file"].startswith("./secrets/")
    named = [value for name, value in found["environment"].items() if name.endswith("_FILE")]
    assert {Path(value).name for value in named} == set(found["secrets"])


def test_composed_services_that_share_artifacts_share_their_volume() -> None:
    services = _compose("compose.yaml")["services"]
    assert services["engine"]["volumes"] == services["config"]["volumes"]
    folder = services["engine"]["volumes"][0].split(":")[1]
    assert f"{PREFIX}DATA_DIR={folder}" in dict(_dockerfile("executor"))["ENV"]


def test_only_the_configuration_api_is_published_and_on_loopback() -> None:
    services = _compose("compose.yaml")["services"]
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published == {"config": ["127.0.0.1:8080:8080"]}


def test_postgresql_replaces_the_database_and_nothing_else() -> None:
    replaced = _compose("compose.postgres.yaml")
    assert set(replaced["services"]) == {"database"}
    assert replaced["services"]["database"]["image"].startswith("postgres:")
    assert replaced["services"]["database"]["volumes"][0].split(":")[0] in replaced["volumes"]


def test_no_secret_stands_in_a_compose_file() -> None:
    for name in ("compose.yaml", "compose.postgres.yaml"):
        text = (ROOT / "deploy" / name).read_text()
        assert not re.search(r"(?i)(?:password|secret|key|token): +['\"]?[a-z0-9]{6,}", text), name


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_runs_a_real_service_as_somebody_who_is_not_root(unit: Path) -> None:
    lines = dict(
        line.split("=", 1) for line in unit.read_text().splitlines() if "=" in line and not line.startswith("#")
    )
    module = lines["ExecStart"].rpartition(" ")[2]
    assert module in {name for name, _ in SERVICES.values()}
    assert lines["User"] == "report-hub"
    assert lines["RestartPreventExitStatus"] == "78"


def test_there_is_a_unit_for_every_service() -> None:
    modules = {re.search(r"ExecStart=.* (\w+)$", unit.read_text(), re.M)[1] for unit in UNITS}  # type: ignore[index]
    assert modules == {module for module, _ in SERVICES.values()}
