"""The repo speaks of the product alone, with one word for each thing, and of the version that it is."""

from __future__ import annotations

import re
import socket
from pathlib import Path

from docs.generator.routes_pages import openapi_of
from shared import __version__
from shared.db.models import Base
from shared.plugins import Family, plugins
from shared.settings import Settings
from tests.docs.pages import ROOT, tracked_files

_TEXT = {".py", ".md", ".toml", ".yml", ".yaml", ".json", ".cfg", ".ini", ".svg", ".service", ".lock", ".txt", ""}
_INDEX = re.compile(
    r"(?:--(?:extra-)?index-url|--find-links|\bPIP_(?:EXTRA_)?INDEX_URL|\bregistry\s*=\s*)[ =]\s*\"?\w+:/"
)
_AVOIDED = re.compile(
    r"(?:^|_)(?:jobs?|runs?|tasks?|outputs?|attachments?|destinations?|channels?|passwd|dbname|dsn)(?:_|$)"
)
_FIXED_BY_THE_CONTRACT = {"jobs", "run", "last_run_at", "next_run_at", "run_count", "report_delivery_tasks", "task_id"}


def test_nothing_names_this_machine() -> None:
    """Neither where the checkout lies, nor whose it is, nor where packages come from here."""
    here = {str(ROOT) + "/", str(Path.home()) + "/"}
    if len(socket.gethostname()) > 5:
        here.add(socket.gethostname())
    for path in tracked_files():
        if path.suffix in _TEXT:
            text = path.read_text(encoding="utf-8")
            assert not any(name in text for name in here), path
            assert not _INDEX.search(text), path


def test_the_changelog_has_the_current_version() -> None:
    newest = re.search(r"^## (\S+) - ", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert newest is not None
    assert newest[1] == __version__


def test_the_distribution_has_the_version_of_the_code() -> None:
    assert f'version = "{__version__}"' in (ROOT / "pyproject.toml").read_text()


def test_public_names_use_the_words_of_the_glossary() -> None:
    names = {*Settings.model_fields, *Base.metadata.tables}
    names |= {column.name for table in Base.metadata.tables.values() for column in table.columns}
    families: tuple[Family, ...] = ("connector", "converter", "deliverer")
    for family in families:
        names |= {field for plugin in plugins(family).values() for field in plugin.config_model.model_fields}
    for service in ("config_api", "execution_engine", "scheduler"):
        description = openapi_of(service)
        names |= {step for path in description["paths"] for step in path.split("/")}
        names |= {
            name for schema in description["components"]["schemas"].values() for name in schema.get("properties", ())
        }
    assert {name for name in names if _AVOIDED.search(name)} <= _FIXED_BY_THE_CONTRACT


def test_words_of_the_glossary_are_defined_once() -> None:
    words = re.findall(r"^\| \*\*(.+?)\*\* \|", (ROOT / "docs/glossary.md").read_text(), re.M)
    assert len(words) > 30
    assert len(words) == len(set(words))
