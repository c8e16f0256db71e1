"""The whole product as processes, started by run_all.py on free ports and a data folder of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.services.databases import free_port

ROOT = Path(__file__).resolve().parents[2]
FAST = {"REPORT_HUB_POLL": "0.2", "REPORT_HUB_TICK": "0.3", "REPORT_HUB_SHUTDOWN_GRACE": "5"}
"""Settings under which tests need not wait."""


@dataclass
class Hub:
    """A running Report Hub. `call` gives the data of a good answer and fails the test on any other."""

    process: subprocess.Popen[str]
    data_dir: Path
    ports: Mapping[str, int]
    environment: Mapping[str, str]
    headers: dict[str, str] = field(default_factory=dict)

    def url(self, service: str) -> str:
        return f"http://127.0.0.1:{self.ports[service]}"

    def request(self, method: str, path: str, body: Any = None, *, service: str = "config") -> httpx.Response:
        url = self.url(service) + path
        return httpx.request(method, url, json=body, headers=self.headers, timeout=90, trust_env=False)

    def call(self, method: str, path: str, body: Any = None, *, service: str = "config") -> Any:
        response = self.request(method, path, body, service=service)
        assert response.is_success, f"{method} {path}: {response.status_code} {response.text}"
        return response.json()["data"]

    def execute(self, config_id: int, body: Any = None) -> dict[str, Any]:
        """Execute a report and wait until its deliveries have ended, too."""
        accepted = self.call("POST", f"/api/reports/{config_id}/execute", {"wait_seconds": 60, **(body or {})})
        return self.story(accepted["execution_id"], lambda story: story["state"] not in _OPEN)

    def story(self, execution_id: str, is_enough: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The execution as soon as it is as wanted."""
        return eventually(lambda: _if(is_enough, self.call("GET", f"/api/executions/{execution_id}")), 60)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal the process and return its exit status."""
        self.process.send_signal(number)
        return self.process.wait(40)


_OPEN = ("QUEUED", "RUNNING", "DELIVERING")


def eventually(look: Callable[[], Any], seconds: float = 20) -> Any:
    """What `look` gives as soon as it is true; the test fails when it is not in time."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:g} seconds; last seen: {found!r}")
        time.sleep(0.05)


@contextmanager
def running_hub(data_dir: Path, *options: str, wait: bool = True, **settings: str) -> Iterator[Hub]:
    """Report Hub for the block; `settings` are variables without their prefix."""
    ports = {name: free_port() for name in ("config", "engine", "scheduler")}
    environment = {**os.environ, **FAST, **{f"REPORT_HUB_{name}": value for name, value in settings.items()}}
    command = [sys.executable, str(ROOT / "run_all.py"), "--data-dir", str(data_dir), *options]
    for name, port in ports.items():
        command += [f"--{name}-port", str(port)]
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "output.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, cwd=data_dir, stdout=log, stderr=log, text=True)
    environment |= {f"REPORT_HUB_{name.upper()}_PORT": str(port) for name, port in ports.items()}
    environment["REPORT_HUB_DATA_DIR"] = str(data_dir)
    hub = Hub(process, data_dir, ports, environment)
    try:
        if wait:
            eventually(lambda: _is_ready(hub), 90)
        yield hub
    finally:
        if process.poll() is None:
            hub.stop()


def _is_ready(hub: Hub) -> bool:
    output = hub.data_dir / "output.log"
    assert hub.process.poll() is None, output.read_text()
    try:
        return all(httpx.get(f"{hub.url(name)}/ready", timeout=5, trust_env=False).is_success for name in hub.ports)
    except httpx.HTTPError:
        return False


def _if(is_enough: Callable[[dict[str, Any]], bool], story: dict[str, Any]) -> dict[str, Any] | None:
    return story if is_enough(story) else None
