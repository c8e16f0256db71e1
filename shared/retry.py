"""When to try again: exponential backoff with jitter and a cap, and never sooner than a server asked for."""

from __future__ import annotations

import random
from datetime import timedelta

CAP = timedelta(hours=4)
_SHORTEST = timedelta(seconds=1)
_JITTER = 0.1


def backoff(
    attempt: int,
    interval: timedelta,
    retry_after: timedelta | None = None,
    cap: timedelta = CAP,
    spread: float | None = None,
) -> timedelta:
    """How long to wait after failed attempt number `attempt` (from 1).

    The interval doubles with each attempt up to `cap`, ten percent of jitter either way keeps a crowd from coming
    back at once, and `retry_after` (RFC 9110, section 10.2.3) is the least. `spread` in [-1, 1] replaces chance.
    """
    doubled = max(interval, _SHORTEST) * (2 ** min(attempt - 1, 30)) if interval < cap else cap
    spread = random.uniform(-1, 1) if spread is None else spread  # noqa: S311 - no secret
    delay = min(doubled, cap) * (1 + _JITTER * spread)
    return max(delay, retry_after or timedelta(0))
