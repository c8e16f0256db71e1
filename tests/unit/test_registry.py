"""Plug-ins are found by kind: listing imports no driver, others may add kinds and replace none of ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.errors import InvalidInput, MissingDriver
from shared.plugins import Plugin
from shared.plugins.registry import format_names, load, plugins, require_drivers

FAMILIES = ("connector", "converter", "deliverer")
LISTING = """
import json, sys
from shared.plugins.registry import plugins
found = {family: {kind: [p.__module__, list(p.drivers)] for kind, p in plugins(family).items()} for family in %r}
print(json.dumps({"found": found, "modules": sorted(sys.modules)}))
"""
FOREIGN = """
from shared.plugins.connector import Connector
from shared.plugins.converter import Converter

class Teradata(Connector):
    kind, title = "teradata", "Teradata"

class FakeMysql(Connector):
    kind, title = "mysql", "not ours"

class FakeExcel(Converter):
    kind, title, extension, media_type = "a_excel", "sorts before ours", "xlsx", "x/y"

class NamedLikeAnExtension(Converter):
    kind, title, extension, media_type = "xlsx", "is called like ours", "tsv", "x/y"

class Tsv(Converter):
    kind, title, extension, media_type = "tab", "Tab-separated", "tsv", "text/tab-separated-values"

class NoKind(Connector):
    title = "has no kind"

no_class = "just a text"
"""
ENTRY_POINTS = """
[report_hub.connectors]
teradata = foreign_plugins:Teradata
mysql = foreign_plugins:FakeMysql
nothing = foreign_plugins:no_class
nameless = foreign_plugins:NoKind
missing = foreign_plugins:IsNotThere
broken = foreign_broken:Anything
family = foreign_plugins:Tsv
[report_hub.converters]
a_excel = foreign_plugins:FakeExcel
xlsx = foreign_plugins:NamedLikeAnExtension
tab = foreign_plugins:Tsv
"""


def listing(path: Path | None = None) -> tuple[dict[str, dict[str, list[object]]], set[str], str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(path or ""), str(Path.cwd())]))}
    command = [sys.executable, "-c", LISTING % (FAMILIES,)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    answer = json.loads(ended.stdout.splitlines()[-1])
    return answer["found"], set(answer["modules"]), ended.stdout + ended.stderr


def test_listing_imports_no_driver() -> None:
    found, modules, _output = listing()
    drivers = {str(driver) for family in found.values() for _module, names in family.values() for driver in names}
    assert drivers >= {"pymysql", "psycopg2", "duckdb"}
    assert drivers & modules == set()


def test_entry_points_add_kinds_and_replace_none_of_ours(tmp_path: Path) -> None:
    (tmp_path / "foreign_plugins.py").write_text(FOREIGN)
    (tmp_path / "foreign_broken.py").write_text("raise RuntimeError('cannot be imported')")
    described = tmp_path / "foreign_plugins-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign-plugins\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text(ENTRY_POINTS)
    plain, _modules, _output = listing()
    found, _modules, output = listing(tmp_path)
    assert set(found["connector"]) - set(plain["connector"]) == {"teradata"}
    assert set(found["converter"]) - set(plain["converter"]) == {"tab"}
    assert found["connector"]["mysql"] == plain["connector"]["mysql"]
    for left_out in ("FakeMysql", "no_class", "NoKind", "IsNotThere", "foreign_broken", "FakeExcel", "LikeAnExtension"):
        assert left_out in output


@pytest.mark.parametrize("family", FAMILIES)
def test_each_kind_is_called_like_its_file_and_says_what_it_is(family: str) -> None:
    found = plugins(family)  # type: ignore[arg-type]
    assert found
    for kind, plugin in found.items():
        assert plugin.__module__ == f"{family}s.{kind}"
        assert plugin.title
        assert load(family, kind) is plugin  # type: ignore[call-overload]


def test_a_converter_is_found_by_its_extension() -> None:
    assert load("converter", "xlsx") is load("converter", "excel")
    assert {"csv", "xlsx", "json", "pdf"} <= set(format_names())


def test_an_unknown_kind_is_refused_and_the_known_ones_are_listed() -> None:
    with pytest.raises(InvalidInput, match=r"There is no connector of this kind\. Known: .*duckdb, .*mysql") as refused:
        load("connector", "excel97")
    assert refused.value.details[0].field == "type"
    assert "excel97" not in str(refused.value)


def test_a_missing_driver_is_named_with_the_line_that_installs_it() -> None:
    class Mainframe(Plugin):  # type: ignore[type-arg]
        kind, title, drivers, extra = "mainframe", "Mainframe", ("no_such_driver",), "legacy"

    with pytest.raises(MissingDriver, match="Mainframe needs no_such_driver") as refused:
        require_drivers(Mainframe)
    assert refused.value.hint == 'Install it with: pip install "report-hub[legacy]"'
    require_drivers(load("connector", "sqlite"))
