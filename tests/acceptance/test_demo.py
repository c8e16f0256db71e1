"""`make demo ONCE=1`, on the embedded database and on MariaDB: every expected file is where it belongs, or it fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.databases import TestDatabase, free_port
from tests.services.hub import FAST, ROOT

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(400)]


def _demo(folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "run_all.py"), "--demo", "--once", "--data-dir", str(folder)]
    for name in ("config", "engine", "scheduler", "mail"):
        command += [f"--{name}-port", str(free_port())]
    return subprocess.run(
        command, env={**os.environ, **FAST, **settings}, capture_output=True, text=True, cwd=folder.parent, timeout=350
    )


def test_the_demo_passes_and_passes_again(tmp_path: Path) -> None:
    folder = tmp_path / "hub"
    first = _demo(folder)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "Every expected file was delivered" in first.stdout
    second = _demo(folder)
    assert second.returncode == 0, second.stdout + second.stderr


def test_the_demo_passes_on_mariadb(tmp_path: Path, mariadb_database: TestDatabase) -> None:
    done = _demo(tmp_path / "hub", REPORT_HUB_DATABASE_URL=mariadb_database.url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "mysql, schema" in done.stdout


def test_a_file_that_did_not_arrive_fails_the_demo(tmp_path: Path) -> None:
    folder = tmp_path / "hub"
    share = folder / "files" / "share" / "exports"
    share.parent.mkdir(parents=True)
    share.write_text("a file where a folder should be")
    done = _demo(folder)
    shutil.rmtree(folder)
    assert done.returncode == 1
    assert "flights_2013.csv is not there" in done.stdout or "Every flight of 2013" in done.stdout
