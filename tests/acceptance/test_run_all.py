"""run_all.py: starts, is ready, ends in order, and leaves nothing behind however it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.services.hub import ROOT, eventually, running_hub

pytestmark = pytest.mark.acceptance


def _children(process_id: int) -> list[psutil.Process]:
    return psutil.Process(process_id).children(recursive=True)


def _living(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still do something; in a container nobody may collect what the dead leave behind."""
    return [each for each in processes if _is_living(each)]


def _is_living(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_services_in_order(tmp_path: Path, number: signal.Signals) -> None:
    with running_hub(tmp_path) as hub:
        children = _children(hub.process.pid)
        assert len(children) >= 3
        assert hub.stop(number) == 0
        eventually(lambda: not _living(children), 10)
    assert "Report Hub has stopped." in (tmp_path / "output.log").read_text()


def test_it_starts_again_on_the_same_folder(tmp_path: Path) -> None:
    with running_hub(tmp_path) as hub:
        hub.call("POST", "/api/datasources", {"name": "a", "type": "sqlite", "connection_config": {"path": "a.sqlite"}})
    with running_hub(tmp_path) as hub:
        assert hub.call("GET", "/api/datasources")["total"] == 1


def test_when_a_service_dies_all_end_and_it_says_which(tmp_path: Path) -> None:
    with running_hub(tmp_path) as hub:
        children = _children(hub.process.pid)
        victim = next(child for child in children if "scheduler" in child.cmdline())
        victim.kill()
        assert hub.process.wait(40) == 1
        eventually(lambda: not _living(children), 10)
    assert "scheduler was ended by signal 9" in (tmp_path / "output.log").read_text()


def test_killed_itself_it_takes_the_services_along(tmp_path: Path) -> None:
    with running_hub(tmp_path) as hub:
        children = _children(hub.process.pid)
        hub.process.kill()
        hub.process.wait(10)
        eventually(lambda: not _living(children), 30)


def test_a_taken_port_is_a_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = _run("--data-dir", str(tmp_path), "--config-port", port)
    assert done.returncode == 78
    assert f"Port {port} for config is taken" in done.stderr
    assert "Traceback" not in done.stderr


def test_settings_that_cannot_be_used_are_listed_together(tmp_path: Path) -> None:
    done = _run("--data-dir", str(tmp_path), REPORT_HUB_SECRET_KEY="short", REPORT_HUB_HOST="0.0.0.0")
    assert done.returncode == 78
    assert "REPORT_HUB_SECRET_KEY" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_service_log_is_kept_beside_the_prefixed_output(tmp_path: Path) -> None:
    with running_hub(tmp_path):
        pass
    for name in ("config", "engine", "scheduler"):
        assert "Uvicorn running" in (tmp_path / "logs" / f"{name}.log").read_text()
        assert f"{name:<9} │ " in (tmp_path / "output.log").read_text()


def _run(*options: str, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "run_all.py"), *options]
    return subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True, timeout=60)
