"""`make test`: installs the servers that the tests meet where that is possible, then runs everything.

A server that is missing makes its tests skip with the reason printed; in CI (the variable CI is set) they fail.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

_PROGRAMS = {
    "mariadbd": "mariadb-server",
    "psql": "postgresql",
    "sshd": "openssh-server",
    "qpdf": "qpdf",
    "pdftotext": "poppler-utils",
}
"""What the tests start or call, and the Debian package that brings it."""


def main() -> int:
    """Exit status of pytest."""
    _install_missing()
    workers = str(max(2, os.cpu_count() or 2))
    command = [sys.executable, "-m", "pytest", "-n", workers, "--dist", "worksteal", *sys.argv[1:]]
    print(f"→ running the tests in {workers} processes", flush=True)
    return subprocess.run(command).returncode


def _install_missing() -> None:
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    packages = [package for program, package in _PROGRAMS.items() if shutil.which(program, path=path) is None]
    if not packages:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        print(f"→ not installed: {', '.join(packages)}; their tests are skipped", flush=True)
        return
    print(f"→ installing {', '.join(packages)}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    quiet = {"stdout": subprocess.DEVNULL, "env": environment}
    subprocess.run(["apt-get", "update", "-q"], check=False, **quiet)
    subprocess.run(["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages], check=False, **quiet)


if __name__ == "__main__":
    sys.exit(main())
