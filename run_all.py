"""All services of Report Hub with one command: `python run_all.py`. Sets itself up when nothing is installed yet."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent
_MARK = "REPORT_HUB_SET_UP_DONE"


def main() -> int:
    """Start, wait until ready, run until SIGTERM or Ctrl-C; the exit status is 0 only after an orderly end."""
    if importlib.util.find_spec("pydantic_settings") is None or importlib.util.find_spec("shared") is None:
        _again_in_own_environment()
    from cli.run_all import run_all

    return run_all(sys.argv[1:])


def _again_in_own_environment() -> NoReturn:
    if os.environ.get(_MARK):
        sys.exit("The environment in .venv is not complete: delete it and run `make setup`.")
    subprocess.run(["make", "--no-print-directory", "-C", str(ROOT), "setup", f"PYTHON={sys.executable}"], check=True)
    python = ROOT / ".venv" / "bin" / "python"
    environment = {**os.environ, _MARK: "1"}
    os.execve(python, [str(python), str(ROOT / "run_all.py"), *sys.argv[1:]], environment)  # noqa: S606


if __name__ == "__main__":
    sys.exit(main())
