"""`make test`: installs the servers, programs and fonts that tests need where that is possible, then runs everything.

What is missing makes its tests skip with the reason printed; in CI (the variable CI is set) they fail.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

PROGRAMS = {
    "mariadbd": "mariadb-server",
    "psql": "postgresql",
    "sshd": "openssh-server",
    "qpdf": "qpdf",
    "pdftotext": "poppler-utils",
}
"""What the tests start or call, and the Debian package that brings it."""

FONTS = {
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc": "fonts-noto-cjk",
    "/usr/share/fonts/truetype/noto/NotoSansDevanagari-Regular.ttf": "fonts-noto-core",
}
"""Fonts with which other scripts than the built-in ones are tested, and their packages."""


def main() -> int:
    """Exit status of pytest."""
    _install_missing()
    workers = str(max(2, os.cpu_count() or 2))
    command = [sys.executable, "-m", "pytest", "-n", workers, "--dist", "worksteal", *sys.argv[1:]]
    print(f"→ running the tests in {workers} processes", flush=True)
    return subprocess.run(command).returncode


def _install_missing() -> None:
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    packages = [package for program, package in PROGRAMS.items() if shutil.which(program, path=path) is None]
    packages += [package for font, package in FONTS.items() if not Path(font).exists()]
    if not packages:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        print(f"→ not installed: {', '.join(packages)}; their tests are skipped", flush=True)
        return
    print(f"→ installing {', '.join(packages)}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", *packages]):
        subprocess.run(["apt-get", *command], check=False, stdout=subprocess.DEVNULL, env=environment)


if __name__ == "__main__":
    sys.exit(main())
