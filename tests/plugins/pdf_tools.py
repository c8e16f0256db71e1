"""Independent readers of PDF files, and the fonts with which other scripts are tested."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.run import FONTS, PROGRAMS

_DIRECTION_MARKS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def require_fonts() -> None:
    """Skips the test, in CI fails it, where the fonts of other scripts are not installed."""
    missing = [package for path, package in FONTS.items() if not Path(path).exists()]
    if missing:
        _give_up(f"fonts are not installed: apt install {' '.join(missing)}")


def run(program: str, *arguments: str | Path) -> str:
    """What a program prints; it has to succeed."""
    if shutil.which(program) is None:
        _give_up(f"{program} is not installed: apt install {PROGRAMS[program]}")
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def copied_text(path: Path, *options: str) -> str:
    """The text as poppler gives it, without the marks that it adds for directions."""
    return _DIRECTION_MARKS.sub("", run("pdftotext", *options, path, "-"))


def _give_up(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
