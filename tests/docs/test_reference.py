"""The reference is whole: what the code has, a page has."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from docs.generator.errors_page import error_codes
from docs.generator.routes_pages import openapi_of
from shared.plugins import Connector, Converter, Family, plugins
from shared.plugins.converter import TYPE_FAMILIES
from shared.settings import PREFIX, Settings
from tests.docs.pages import ROOT

_PAGE: dict[Family, str] = {"connector": "connectors.md", "converter": "formats.md", "deliverer": "deliverers.md"}


def test_every_setting_has_its_line_with_a_sentence(generated: Mapping[str, str]) -> None:
    for name in Settings.model_fields:
        line = re.search(rf"^\| `{PREFIX}{name.upper()}` \|.*\| (.+) \|$", generated["settings.md"], re.M)
        assert line, name
        assert len(line[1]) > 10, name


@pytest.mark.parametrize("family", _PAGE)
def test_every_plug_in_has_a_section_with_all_its_fields(family: Family, generated: Mapping[str, str]) -> None:
    sections = re.split(r"^## ", generated[_PAGE[family]], flags=re.M)[1:]
    by_kind = {re.search(r"\{ #(\w+) \}", section)[1]: section for section in sections}  # type: ignore[index]
    assert by_kind.keys() == plugins(family).keys()
    for kind, plugin in plugins(family).items():
        for field in plugin.config_model.model_fields:
            assert f"| `{field}` |" in by_kind[kind], (kind, field)


def test_every_error_code_is_listed_and_has_its_cure(generated: Mapping[str, str]) -> None:
    cures = (ROOT / "docs/how-to/troubleshooting.md").read_text()
    headings = re.findall(r"^### (\w+)$", cures, re.M)
    assert sorted(headings) == error_codes()
    for code in error_codes():
        assert f"[`{code}`]" in generated["errors.md"], code


@pytest.mark.parametrize("service", ["config_api", "execution_engine", "scheduler"])
def test_every_route_has_its_section(service: str, generated: Mapping[str, str]) -> None:
    page = generated[f"routes-{service.replace('_', '-')}.md"]
    for path, item in openapi_of(service)["paths"].items():
        for method in item:
            assert f"\n## {method.upper()} {path} {{" in page, (method, path)


def test_every_converter_says_how_each_type_stands(generated: Mapping[str, str]) -> None:
    lines = dict(re.findall(r"^\| ([^|]+?) \| (.+) \|$", generated["types.md"], re.M))
    for family in TYPE_FAMILIES:
        for converter in plugins("converter").values():
            assert issubclass(converter, Converter)
            assert f"`{converter.extension}`" in lines[family], (family, converter.kind)


def test_every_connector_says_what_becomes_of_its_types(generated: Mapping[str, str]) -> None:
    for kind, connector in plugins("connector").items():
        assert issubclass(connector, Connector)
        section = generated["types.md"].split(f"{{ #{kind} }}\n")[1].split("\n## ")[0]
        assert connector.source_types, kind
        for source_type in connector.source_types:
            assert source_type.family in TYPE_FAMILIES
            assert all(name in section for name in source_type.names), source_type.names


def test_every_command_is_on_the_page_of_the_command_line(generated: Mapping[str, str]) -> None:
    import typer

    from cli.main import app

    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name, command in commands.items():
        section = generated["commands.md"].split(f"\n## {name}\n")[1].split("\n## ")[0]
        for parameter in command.params:
            if parameter.param_type_name == "option":
                assert f"`{parameter.opts[0]}`" in section, (name, parameter.name)
    assert "--engine-port" in generated["commands.md"]
