"""Starts services for a test and ends them after it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.db.database import Database
from tests.scheduler.service import Service, Start


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Service] = []

    def begin(database: Database, module: str = "scheduler", **settings: Any) -> Service:
        started.append(Service(tmp_path, database, module, **settings))
        return started[-1]

    yield begin
    for service in started:
        service.close()
