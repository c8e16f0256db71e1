"""Real MariaDB and PostgreSQL: those given by environment variables, those that run here, else private instances."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url


@dataclass(frozen=True)
class TestDatabase:
    """An empty database of its own on a server."""

    __test__ = False
    url: str
    host: str
    port: int
    username: str
    password: str
    name: str

    @property
    def config(self) -> dict[str, Any]:
        """As a datasource's connection_config."""
        config = {"host": self.host, "port": self.port, "database": self.name, "username": self.username}
        return {**config, "password": self.password} if self.password else config

    def execute(self, *statements: str) -> None:
        engine = create_engine(self.url)
        with engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
        engine.dispose()


@pytest.fixture(scope="session")
def mariadb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[URL]:
    with _server("REPORT_HUB_TEST_MYSQL_URL", "mysql+pymysql", 3306, "root", _private_mariadb, tmp_path_factory) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[URL]:
    variable = "REPORT_HUB_TEST_POSTGRES_URL"
    with _server(variable, "postgresql+psycopg2", 5432, "postgres", _private_postgres, tmp_path_factory) as url:
        yield url


@pytest.fixture
def mariadb_database(mariadb_server: URL) -> Iterator[TestDatabase]:
    with _fresh(mariadb_server, "CREATE DATABASE {} CHARACTER SET utf8mb4") as found:
        yield found


@pytest.fixture
def postgres_database(postgres_server: URL) -> Iterator[TestDatabase]:
    with _fresh(postgres_server, "CREATE DATABASE {}") as found:
        yield found


@contextlib.contextmanager
def _fresh(server: URL, create: str) -> Iterator[TestDatabase]:
    name = f"rh_test_{uuid.uuid4().hex[:12]}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(create.format(name)))
    url = server.set(database=name)
    yield TestDatabase(
        url=url.render_as_string(hide_password=False),
        host=server.host or "127.0.0.1",
        port=server.port or 0,
        username=server.username or "",
        password=str(server.password or ""),
        name=name,
    )
    force = " WITH (FORCE)" if server.get_backend_name() == "postgresql" else ""
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name}{force}"))
    engine.dispose()


@contextlib.contextmanager
def _server(
    variable: str, driver: str, port: int, user: str, start_private: Any, factory: pytest.TempPathFactory
) -> Iterator[URL]:
    if os.environ.get(variable):
        yield make_url(os.environ[variable])
        return
    database = "postgres" if driver.startswith("postgresql") else None
    running = URL.create(driver, user, None, "127.0.0.1", port, database)
    if _answers(running):
        yield running
        return
    with contextlib.ExitStack() as stack:
        private = start_private(factory, stack, driver)
        if private is None:
            reason = f"no server: set {variable}, start one on port {port}, or install it"
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)
        yield private


def _answers(url: URL) -> bool:
    try:
        engine = create_engine(url)
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
        engine.dispose()
    except Exception:  # noqa: BLE001 - any reason means: not this one
        return False
    return True


def _private_mariadb(factory: pytest.TempPathFactory, stack: contextlib.ExitStack, driver: str) -> URL | None:
    install, server = _binary("mariadb-install-db"), _binary("mariadbd")
    if install is None or server is None:
        return None
    folder, port = factory.mktemp("mariadb"), free_port()
    as_root = ["--user=root"] if os.geteuid() == 0 else []
    options = ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve", *as_root]
    _run([install, "--no-defaults", f"--datadir={folder}/data", *options])
    options = [f"--socket={folder}/s.sock", f"--pid-file={folder}/pid", f"--port={port}", "--bind-address=127.0.0.1"]
    process = subprocess.Popen(
        [server, "--no-defaults", f"--datadir={folder}/data", *options, *as_root, "--skip-name-resolve"],
        stderr=subprocess.DEVNULL,
    )
    stack.callback(_stop, process)
    return _waited(URL.create(driver, "root", None, "127.0.0.1", port))


def _private_postgres(factory: pytest.TempPathFactory, stack: contextlib.ExitStack, driver: str) -> URL | None:
    initdb, server = _binary("initdb"), _binary("postgres")
    if initdb is None or server is None:
        return None
    folder, port = factory.mktemp("postgres"), free_port()
    prefix: list[str] = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        shutil.chown(folder, "postgres", "postgres")
        for parent in folder.parents[:3]:
            parent.chmod(parent.stat().st_mode | 0o055)
    _run([*prefix, initdb, "-D", f"{folder}/data", "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8"])
    options = ["-p", str(port), "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}"]
    process = subprocess.Popen(
        [*prefix, server, "-D", f"{folder}/data", *options, "-c", "fsync=off"], stderr=subprocess.DEVNULL
    )
    stack.callback(_stop, process)
    return _waited(URL.create(driver, "postgres", None, "127.0.0.1", port, "postgres"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _binary(name: str) -> str | None:
    found = shutil.which(name)
    if found is None:
        installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
        found = str(installed[-1]) if installed else None
    return found


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)


def _waited(url: URL) -> URL:
    deadline = time.monotonic() + 60
    while not _answers(url):
        if time.monotonic() > deadline:
            pytest.fail(f"the private server on port {url.port} does not answer")
        time.sleep(0.1)
    return url


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(30)
