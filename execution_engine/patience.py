"""Writes what must not be lost, however long the database takes to come back."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError

from shared.errors import ServiceUnavailable

T = TypeVar("T")
_PAUSE_SECONDS = 0.5


def insist(work: Callable[[], T], patience: timedelta) -> T:
    """Do `work`, and do it again while the database does not answer.

    A commit whose answer was lost may have happened: `work` must notice that when it is done again.
    """
    deadline = time.monotonic() + patience.total_seconds()
    while True:
        try:
            return work()
        except (ServiceUnavailable, OperationalError, InterfaceError) as error:
            if time.monotonic() >= deadline:
                raise
            structlog.get_logger().warning("the database does not answer; trying again", exc_info=error)
        time.sleep(_PAUSE_SECONDS)
