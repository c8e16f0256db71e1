"""Worker processes, started ahead of need.

A fresh process for each execution (forked from a server that has the drivers loaded, and started before it is needed,
so a small report pays no import), and reusable ones for quick questions and delivery attempts.
"""

from __future__ import annotations

import atexit
import contextlib
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any

import structlog

from execution_engine.orders import Order
from execution_engine.worker import Worker, WorkFailed, forking
from shared.errors import MemoryLimitReached

_PRELOAD = [
    "execution_engine.worker_process",
    "pyarrow.compute",
    "pyarrow.csv",
    "pyarrow.parquet",
    "isal.isal_zlib",
    "sqlglot",
    "execution_engine.preload",
]
_MOST_IDLE = 4


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
        self._spent: deque[Worker] = deque()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._is_closed = False
        self._thread = threading.Thread(target=self._keep_spare, name="spare-workers", daemon=True)
        self._thread.start()
        atexit.register(self.close)  # else the interpreter would wait for processes that wait for orders

    @contextlib.contextmanager
    def worker(self) -> Iterator[Worker]:
        """A worker for one order; afterwards it is kept for the next one, or ends."""
        worker = self._take()
        is_good = False
        try:
            yield worker
            is_good = True
        except WorkFailed as failure:
            is_good = failure.is_reported and not isinstance(failure.error, MemoryLimitReached)
            raise
        finally:
            self._give_back(worker, is_good=is_good)

    def run(self, order: Order) -> Any:
        """Carry out an order with a worker of the pool; raises WorkFailed."""
        with self.worker() as worker:
            return worker.run(order)

    def close(self) -> None:
        atexit.unregister(self.close)
        self._is_closed = True
        self._wake.set()
        self._thread.join(timeout=10)
        with self._lock:
            workers = [*self._idle, *self._spent]
            self._idle.clear()
            self._spent.clear()
        for worker in workers:
            worker.close()

    def _take(self) -> Worker:
        """A worker that is ready; started now if none is."""
        while True:
            with self._lock:
                worker = self._idle.popleft() if self._idle else None
            self._wake.set()
            if worker is None:
                return Worker.start()
            if worker.is_fit:
                return worker
            worker.close()

    def _give_back(self, worker: Worker, *, is_good: bool) -> None:
        if self._is_closed:
            worker.close()
            return
        with self._lock:
            if self._is_reused and is_good and worker.is_fit and len(self._idle) < max(self._spare, _MOST_IDLE):
                self._idle.append(worker)
                return
            self._spent.append(worker)
        worker.kill()
        self._wake.set()

    def _keep_spare(self) -> None:
        """Start processes before they are needed, and bury those that have ended, so that nobody waits for either."""
        while not self._is_closed:
            self._wake.clear()
            try:
                while len(self._idle) < self._spare and not self._is_closed:
                    worker = Worker.start()
                    with self._lock:
                        self._idle.append(worker)
            except OSError as error:  # no memory, no processes left: those who need one say so
                structlog.get_logger().warning("no worker process can be started ahead", exc_info=error)
            while self._spent:
                self._spent.popleft().close()
            self._wake.wait()


def start_fork_server() -> None:
    """Load drivers and libraries once; worker processes are forked from there."""
    forking.set_forkserver_preload(_PRELOAD)
