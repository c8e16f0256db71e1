"""Named points at which a crash test kills the process; nothing happens unless the test asks for it.

`REPORT_HUB_CRASH_AT=<name>[:<chance>]`, several separated by ','. The chance (0 to 1) defaults to 1.
"""

from __future__ import annotations

import os
import random
import signal


def _read() -> dict[str, float]:
    points: dict[str, float] = {}
    for part in filter(None, os.environ.get("REPORT_HUB_CRASH_AT", "").split(",")):
        name, _, chance = part.partition(":")
        points[name] = float(chance or 1)
    return points


_POINTS = _read()


def crash_point(name: str) -> None:
    """Die here, as if the machine had lost power, when the test says so."""
    if _POINTS and random.random() < _POINTS.get(name, 0.0):  # noqa: S311 - no secret
        os.kill(os.getpid(), signal.SIGKILL)
