"""Scheduler processes on a database, as an operator starts them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from shared.db.database import Database
from tests.services.databases import free_port
from tests.services.hub import ROOT, eventually
from tests.services.hub_databases import url_of

ADMIN_KEY = "f3b1c9d07a4e5f62b8c1d3e4f5a60718293a4b5c"


class Service:
    """`python -m scheduler` (or another service) with settings of its own; `close` ends it if it still lives."""

    def __init__(self, folder: Path, database: Database, module: str = "scheduler", **settings: str) -> None:
        self.port = free_port()
        self.folder = folder
        given = {
            "DATA_DIR": str(folder), "DATABASE_URL": url_of(database), "TICK": "0.1", "POLL": "0.1",
            "SCHEDULER_PORT": str(self.port), "ENGINE_PORT": str(self.port), "ENGINE_URL": "http://127.0.0.1:9",
            "LOG_FORMAT": "json", **settings,
        }  # fmt: skip
        environment = {name: value for name, value in os.environ.items() if not name.startswith("REPORT_HUB_")}
        environment |= {f"REPORT_HUB_{name}": value for name, value in given.items()}
        self._log = folder / f"{module}-{self.port}.log"
        with self._log.open("w") as log:
            self.process = subprocess.Popen([sys.executable, "-m", module], cwd=ROOT, env=environment, stderr=log)
        headers = {"X-API-Key": given["BOOTSTRAP_API_KEY"]} if "BOOTSTRAP_API_KEY" in given else {}
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}", headers=headers, timeout=30, trust_env=False
        )

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    def ready(self) -> Service:
        eventually(self._is_ready, 60)
        return self

    def call(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        response = self.client.request(method, f"/api/scheduler/{path}", **options)
        assert response.status_code == status, response.text
        answer = response.json()
        return answer["data"] if response.is_success else answer

    def stop(self) -> float:
        """SIGTERM; returns how long it took."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) in (0, -signal.SIGTERM)
        return time.monotonic() - started

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(20)

    def close(self) -> None:
        self.client.close()
        if self.process.poll() is None:
            self.kill()

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, self._log.read_text()
        try:
            return self.client.get("/ready").status_code == 200
        except httpx.TransportError:
            return False


Start = Callable[..., Service]
