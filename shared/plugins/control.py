"""The reins of one piece of work: its deadline, its cancel flag, and how far it has come."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

from shared.errors import Cancelled, TimeLimitReached
from shared.network import NetworkPolicy

Progress = Callable[[str, int], None]


class Control:
    """Handed to every plug-in call.

    Ask `check()` between batches, give drivers `remaining()`, and register with `on_cancel()` what stops
    the work on the other side (cancel the statement, close the socket). Cancel hooks also run when the
    time limit is reached, from another thread, so that a driver without a read timeout cannot hang.

    Args:
        timeout: time limit counted from now; None means no limit.
        progress: called as progress(stage, rows) at every `report()`.
        network: which addresses connections may reach; see shared.network.resolve.
    """

    def __init__(
        self,
        timeout: timedelta | None = None,
        progress: Progress | None = None,
        network: NetworkPolicy | None = None,
    ) -> None:
        self.network = network or NetworkPolicy()
        self._timeout = timeout
        self._deadline = None if timeout is None else time.monotonic() + timeout.total_seconds()
        self._progress = progress
        self._cancelled = threading.Event()
        self._timed_out = threading.Event()
        self._lock = threading.Lock()
        self._hooks: list[Callable[[], object]] = []

    def check(self) -> None:
        """Raise Cancelled or TimeLimitReached if the work should stop."""
        if self._cancelled.is_set():
            raise Cancelled("The execution was cancelled.")
        if self._timed_out.is_set() or (self._deadline is not None and time.monotonic() >= self._deadline):
            seconds = self._timeout.total_seconds() if self._timeout else 0
            raise TimeLimitReached(
                f"The time limit of {seconds:g} seconds was reached.",
                hint="Make the query faster or raise its limit (timeout_seconds of the report); a delivery has "
                "REPORT_HUB_DELIVERY_TIMEOUT.",
            )

    def remaining(self) -> float | None:
        """Seconds left (never below 0.001, so that drivers do not read it as 'no limit'); None without a limit."""
        return None if self._deadline is None else max(0.001, self._deadline - time.monotonic())

    def report(self, stage: str, rows: int) -> None:
        """Say how far the work has come. Cheap enough to call for each batch."""
        if self._progress is not None:
            self._progress(stage, rows)

    @contextlib.contextmanager
    def on_cancel(self, hook: Callable[[], object]) -> Iterator[None]:
        """Within the block, `hook` runs (in another thread, once) when the work is cancelled or out of time."""
        timer: threading.Timer | None = None
        with self._lock:
            self._hooks.append(hook)
        try:
            if self._cancelled.is_set():
                self._stop()
            elif self._deadline is not None:
                timer = threading.Timer(max(0.0, self._deadline - time.monotonic()), self._expire)
                timer.daemon = True
                timer.start()
            yield
        finally:
            if timer is not None:
                timer.cancel()
            with self._lock, contextlib.suppress(ValueError):
                self._hooks.remove(hook)

    def cancel(self) -> None:
        """Ask the work to stop; safe from any thread, more than once."""
        self._cancelled.set()
        self._stop()

    @property
    def is_cancelled(self) -> bool:
        return self._cancelled.is_set()

    def _expire(self) -> None:
        self._timed_out.set()
        self._stop()

    def _stop(self) -> None:
        with self._lock:
            hooks, self._hooks = self._hooks, []
        for hook in hooks:
            # A hook meets a connection that may just have ended by itself; then there is nothing to stop.
            with contextlib.suppress(Exception):
                hook()
