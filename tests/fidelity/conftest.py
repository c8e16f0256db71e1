"""Each datasource is filled and read once; all formats are written from what that one query gave."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fidelity.sources import Source, duckdb_source, mysql_source, postgresql_source, sqlite_source
from tests.services.databases import _fresh

SOURCES = [
    "sqlite",
    "duckdb",
    pytest.param("mysql", marks=pytest.mark.service),
    pytest.param("postgresql", marks=pytest.mark.service),
]


@pytest.fixture(scope="session")
def sources(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Source]]:
    made: dict[str, Source] = {}
    with contextlib.ExitStack() as stack:

        def source(kind: str) -> Source:
            if kind not in made:
                made[kind] = _made(kind, request, tmp_path_factory.mktemp(kind), stack)
            return made[kind]

        yield source


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest, sources: Callable[[str], Source]) -> Source:
    return sources(request.param)


def _made(kind: str, request: pytest.FixtureRequest, folder: Path, stack: contextlib.ExitStack) -> Source:
    if kind == "sqlite":
        return sqlite_source(folder)
    if kind == "duckdb":
        return duckdb_source(folder)
    server: Any = request.getfixturevalue({"mysql": "mariadb_server", "postgresql": "postgres_server"}[kind])
    if kind == "mysql":
        return mysql_source(stack.enter_context(_fresh(server, "CREATE DATABASE {} CHARACTER SET utf8mb4")))
    return postgresql_source(stack.enter_context(_fresh(server, "CREATE DATABASE {}")))
