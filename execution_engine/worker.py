"""The outside of one worker process: hand out an order, watch it, cancel it, kill it."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection, Pipe
from multiprocessing.process import BaseProcess
from typing import Any

from execution_engine.orders import Order
from execution_engine.worker_process import Message, main, memory_limit
from shared.errors import Cancelled, ReportHubError, TimeLimitReached, WorkerLost, error_from_dict

_CANCEL_GRACE_SECONDS = 2.0
_TIMEOUT_GRACE_SECONDS = 5.0
_WATCH_SECONDS = 0.5

Progress = Callable[[str, int], None]
forking = get_context("forkserver")


class WorkFailed(Exception):
    """An order failed; `error` is for people, `cause` (a traceback) for the error log.

    `is_reported` is False when the process ended before it could say how far it had come.
    """

    def __init__(self, error: ReportHubError, cause: str = "", *, is_reported: bool = False) -> None:
        super().__init__(error.message)
        self.error = error
        self.cause = cause
        self.is_reported = is_reported


class Worker:
    """One worker process and its pipe."""

    def __init__(self, process: BaseProcess, connection: Connection) -> None:
        self._process = process
        self._connection = connection
        self._sending = threading.Lock()
        self._cancelled_at: float | None = None

    @classmethod
    def start(cls) -> Worker:
        ours, theirs = Pipe()
        process = forking.Process(target=main, args=(theirs,), daemon=True)
        process.start()
        theirs.close()
        return cls(process, ours)

    @property
    def pid(self) -> int | None:
        return self._process.pid

    @property
    def is_fit(self) -> bool:
        """It lives, and no cancel is on its way that could meet the next order."""
        return self._cancelled_at is None and self._process.is_alive()

    def run(self, order: Order, progress: Progress | None = None) -> Any:
        """Carry out one order and wait for its result.

        Raises:
            WorkFailed: with the error that the worker reported, or why the process ended.
        """
        deadline = time.monotonic() + order.limits.timeout_seconds + _TIMEOUT_GRACE_SECONDS
        most_memory = _memory_mb(self._process.pid) + order.limits.memory_mb
        try:
            self._send(order)
            while True:
                self._watch(order, deadline, most_memory)
                if not self._connection.poll(_WATCH_SECONDS):
                    continue
                message: Message = self._connection.recv()
                if message.kind == "result":
                    return message.body
                if message.kind == "error":
                    raise WorkFailed(error_from_dict(message.body), message.cause, is_reported=True)
                if progress is not None:
                    progress(*message.body)
        except (EOFError, OSError) as error:
            raise WorkFailed(self._reason_of_death()) from error

    def cancel(self) -> None:
        """Ask the worker to stop its order; it is killed if it does not within two seconds."""
        if self._cancelled_at is None:
            self._cancelled_at = time.monotonic()
            with contextlib.suppress(OSError):
                self._send("cancel")

    def kill(self) -> None:
        """End the process and all that it started, now."""
        if self._process.pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()

    def close(self) -> None:
        """Kill and forget."""
        self.kill()
        self._process.join(timeout=5)
        self._connection.close()

    def _send(self, message: Order | str) -> None:
        with self._sending:
            self._connection.send(message)

    def _watch(self, order: Order, deadline: float, most_memory: int) -> None:
        """Kill the process when it does not stop by itself at its limits."""
        now = time.monotonic()
        if self._cancelled_at is not None and now - self._cancelled_at > _CANCEL_GRACE_SECONDS:
            self._end(Cancelled("The execution was cancelled."))
        if now > deadline:
            self._end(TimeLimitReached(f"The time limit of {order.limits.timeout_seconds:g} seconds was reached."))
        if _memory_mb(self._process.pid) > most_memory:
            self._end(memory_limit(order.limits.memory_mb))

    def _end(self, reason: ReportHubError) -> None:
        self.kill()
        raise WorkFailed(reason)

    def _reason_of_death(self) -> ReportHubError:
        self._process.join(timeout=5)
        code = self._process.exitcode
        by = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        return WorkerLost(
            f"The worker process ended in the middle of its work ({by}).",
            hint="Often the machine ran out of memory; the engine's log has more.",
        )


def _memory_mb(pid: int | None) -> int:
    """Memory of a process that is no file's: its own and what it shares with others through memory alone."""
    try:
        with open(f"/proc/{pid}/status") as file:  # noqa: PTH123
            lines = [line.split() for line in file if line.startswith(("RssAnon:", "RssShmem:"))]
    except OSError:
        return 0
    return sum(int(line[1]) for line in lines) >> 10
