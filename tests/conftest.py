"""Fixtures for all tests: the real counterparts live in tests/services, one file each."""

from __future__ import annotations

import importlib.util
from pathlib import Path

pytest_plugins = [
    f"tests.services.{path.stem}"
    for path in sorted((Path(__file__).parent / "services").glob("*.py"))
    if path.stem != "__init__"
]

for _name in pytest_plugins:
    assert importlib.util.find_spec(_name), _name
