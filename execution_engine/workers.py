"""The outside of worker processes: start them ahead of need, hand out orders, watch, cancel, kill.

A fresh process for each execution (forked from a server that has the drivers loaded, and started before it is needed,
so a small report pays no import), and reusable ones for quick questions and delivery attempts.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection, Pipe
from multiprocessing.process import BaseProcess
from typing import Any

from execution_engine.orders import Order
from execution_engine.worker_process import Message, main
from shared.errors import MemoryLimitReached, ReportHubError, TimeLimitReached, WorkerLost, error_from_dict

_PRELOAD = [
    "execution_engine.worker_process",
    "pyarrow.compute",
    "pyarrow.csv",
    "pyarrow.parquet",
    "isal.isal_zlib",
    "sqlglot",
    "execution_engine.preload",
]
_CANCEL_GRACE_SECONDS = 2.0
_TIMEOUT_GRACE_SECONDS = 5.0
_WATCH_SECONDS = 0.5

Progress = Callable[[str, int], None]


class WorkFailed(Exception):
    """An order failed; `error` is for people, `cause` (a traceback) for the error log."""

    def __init__(self, error: ReportHubError, cause: str = "") -> None:
        super().__init__(error.message)
        self.error = error
        self.cause = cause


class Worker:
    """One worker process and its pipe."""

    def __init__(self, process: BaseProcess, connection: Connection) -> None:
        self._process = process
        self._connection = connection
        self._cancelled_at: float | None = None

    @classmethod
    def start(cls) -> Worker:
        ours, theirs = Pipe()
        process = _context.Process(target=main, args=(theirs,), daemon=True)
        process.start()
        theirs.close()
        return cls(process, ours)

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive()

    def run(self, order: Order, progress: Progress | None = None) -> Any:
        """Carry out one order and wait for its result.

        Raises:
            WorkFailed: with the error that the worker reported, or why the process ended.
        """
        deadline = time.monotonic() + order.limits.timeout_seconds + _TIMEOUT_GRACE_SECONDS
        try:
            self._connection.send(order)
            while True:
                message = self._receive(order, deadline)
                if message.kind != "progress":
                    self._cancelled_at = None
                if message.kind == "result":
                    return message.body
                if message.kind == "error":
                    raise WorkFailed(error_from_dict(message.body), message.cause)
                if progress is not None:
                    progress(*message.body)
        except (EOFError, OSError) as error:
            raise WorkFailed(self._reason_of_death()) from error

    def cancel(self) -> None:
        """Ask the worker to stop its order; it is killed if it does not within two seconds."""
        if self._cancelled_at is None:
            self._cancelled_at = time.monotonic()
            with contextlib.suppress(OSError):
                self._connection.send("cancel")

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

    def _receive(self, order: Order, deadline: float) -> Message:
        while not self._connection.poll(_WATCH_SECONDS):
            now = time.monotonic()
            if self._cancelled_at is not None and now - self._cancelled_at > _CANCEL_GRACE_SECONDS:
                self.kill()
                raise WorkFailed(error_from_dict({"code": "CANCELLED", "message": "The execution was cancelled."}))
            if now > deadline:
                self.kill()
                raise WorkFailed(
                    TimeLimitReached(f"The time limit of {order.limits.timeout_seconds:g} seconds was reached.")
                )
            if _resident_mb(self._process.pid) > order.limits.memory_mb + _BASE_MB:
                self.kill()
                raise WorkFailed(
                    MemoryLimitReached(
                        f"The memory limit of {order.limits.memory_mb} MB was reached.",
                        hint="Fewer or narrower columns, a row limit, or a larger worker_memory_mb help.",
                    )
                )
        message: Message = self._connection.recv()
        return message

    def _reason_of_death(self) -> ReportHubError:
        self._process.join(timeout=5)
        code = self._process.exitcode
        by = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        return WorkerLost(
            f"The worker process ended in the middle of its work ({by}).",
            hint="Often the machine ran out of memory; the engine's log has more.",
        )


class WorkerPool:
    """Worker processes for one kind of work.

    Args:
        spare: processes kept ready.
        is_reused: False gives every order a process of its own.
    """

    def __init__(self, spare: int, *, is_reused: bool) -> None:
        self._spare = spare
        self._is_reused = is_reused
        self._idle: deque[Worker] = deque()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._is_closed = False
        self._thread = threading.Thread(target=self._keep_spare, name="spare-workers", daemon=True)
        self._thread.start()

    def take(self) -> Worker:
        """A worker that is ready; started now if none is."""
        with self._lock:
            worker = self._idle.popleft() if self._idle else None
        self._wake.set()
        if worker is not None and worker.is_alive:
            return worker
        return Worker.start()

    def give_back(self, worker: Worker, *, is_good: bool) -> None:
        """Return a worker; one that failed in an unclear way, or that is not reused, ends."""
        if self._is_reused and is_good and worker.is_alive and not self._is_closed:
            with self._lock:
                if len(self._idle) < max(self._spare, 4):
                    self._idle.append(worker)
                    return
        worker.close()

    def run(self, order: Order, progress: Progress | None = None) -> Any:
        """Carry out an order with a worker of the pool; raises WorkFailed."""
        worker = self.take()
        is_good = False
        try:
            result = worker.run(order, progress)
            is_good = True
        except WorkFailed as failure:
            is_good = bool(failure.cause)  # the worker itself reported it, so it is alive and tidy
            raise
        finally:
            self.give_back(worker, is_good=is_good)
        return result

    def close(self) -> None:
        self._is_closed = True
        self._wake.set()
        self._thread.join(timeout=10)
        with self._lock:
            workers, self._idle = list(self._idle), deque()
        for worker in workers:
            worker.close()

    def _keep_spare(self) -> None:
        while not self._is_closed:
            self._wake.clear()
            while len(self._idle) < self._spare and not self._is_closed:
                worker = Worker.start()
                with self._lock:
                    self._idle.append(worker)
            self._wake.wait()


def start_fork_server() -> None:
    """Load drivers and libraries once; worker processes are forked from there."""
    _context.set_forkserver_preload(_PRELOAD)


def _resident_mb(pid: int | None) -> int:
    try:
        with open(f"/proc/{pid}/statm") as file:  # noqa: PTH123
            return int(file.read().split()[1]) * _PAGE >> 20
    except (OSError, ValueError, IndexError):
        return 0


_PAGE = os.sysconf("SC_PAGE_SIZE")
_BASE_MB = 300
"""What the preloaded libraries take before an order begins."""
_context = get_context("forkserver")
