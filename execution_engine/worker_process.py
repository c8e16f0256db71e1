"""The inside of a worker process: takes orders from a pipe, carries them out, answers, and dies with its engine."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection
from typing import Any, Literal

from execution_engine.asking import check_source, list_tables, preview
from execution_engine.orders import (
    CheckSourceOrder,
    DeliveryOrder,
    ExecutionOrder,
    Order,
    PreviewOrder,
    TablesOrder,
)
from execution_engine.pipeline import run_execution
from shared.errors import MemoryLimitReached, ReportHubError
from shared.plugins import Control, load, require_drivers

_REPORT_EVERY = 0.2
_ORPHAN_GRACE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Message:
    """What a worker process says: `progress` (stage, rows), `result`, or `error` (our error as a dict, its cause)."""

    kind: Literal["progress", "result", "error"]
    body: Any
    cause: str = ""


def main(connection: Connection) -> None:
    """Carry out orders until the engine closes the pipe."""
    os.setsid()  # our own process group: ending it ends what drivers started, too
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # service managers send it to all processes; the engine decides
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    threading.stack_size(1 << 20)  # 8 MB a thread would count against the memory limit
    current = _Current()
    orders = _listen(connection, current)
    send_lock = threading.Lock()

    def send(message: Message) -> None:
        with send_lock, contextlib.suppress(OSError):
            connection.send(message)

    while (order := orders()) is not None:
        send(_carry_out(order, current, send))


class _Current:
    """The control of the order in hand, for the listening thread."""

    def __init__(self) -> None:
        self.control: Control | None = None
        self.cancel_first = False
        self.lock = threading.Lock()

    def take(self, control: Control) -> None:
        with self.lock:
            self.control, is_cancelled, self.cancel_first = control, self.cancel_first, False
        if is_cancelled:
            control.cancel()

    def cancel(self) -> None:
        with self.lock:
            control = self.control
            self.cancel_first = control is None
        if control is not None:
            control.cancel()


def _listen(connection: Connection, current: _Current) -> Callable[[], Order | None]:
    """Read the pipe in a thread: orders wait, cancels act at once, and its end means that the engine is gone."""
    import queue

    orders: queue.SimpleQueue[Order | None] = queue.SimpleQueue()

    def listen() -> None:
        while True:
            try:
                message = connection.recv()
            except Exception:  # noqa: BLE001 - the engine is gone, or what it sends cannot be read here
                orders.put(None)
                current.cancel()
                time.sleep(_ORPHAN_GRACE_SECONDS)
                os._exit(1)
            if message == "cancel":
                current.cancel()
            else:
                orders.put(message)

    threading.Thread(target=listen, name="listen", daemon=True).start()
    return orders.get


def _carry_out(order: Order, current: _Current, send: Callable[[Message], None]) -> Message:
    control = Control(
        timeout=timedelta(seconds=order.limits.timeout_seconds), progress=_throttled(send), network=order.network
    )
    current.take(control)
    try:
        _limit_memory(order.limits.memory_mb)
        return Message("result", _do(order, control))
    except Exception as error:  # noqa: BLE001 - a plug-in's fault must reach the owner as a sentence
        return Message("error", _explained(error, order).as_dict(), _trace(error))
    finally:
        current.control = None


def _do(order: Order, control: Control) -> Any:
    match order:
        case ExecutionOrder():
            return run_execution(order, control)
        case PreviewOrder():
            return preview(order, control)
        case CheckSourceOrder():
            return check_source(order, control)
        case TablesOrder():
            return list_tables(order, control)
        case DeliveryOrder():
            deliverer = load("deliverer", order.method)
            require_drivers(deliverer)
            return deliverer(order.config).deliver(order.parcel, control)


def _explained(error: Exception, order: Order) -> ReportHubError:
    """The error for the owner. Drivers and plug-ins may have wrapped a failed allocation in one of their own."""
    if any(isinstance(cause, MemoryError) or "can't start new thread" in str(cause) for cause in _chain(error)):
        return memory_limit(order.limits.memory_mb)
    if isinstance(error, ReportHubError):
        return error
    return ReportHubError(
        "An unexpected error ended the work.", hint="The error log of the engine has the cause, by execution id."
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def memory_limit(megabytes: int) -> MemoryLimitReached:
    return MemoryLimitReached(
        f"The memory limit of {megabytes} MB was reached.",
        hint="Fewer or narrower columns, a row limit, or a larger REPORT_HUB_WORKER_MEMORY_MB help.",
    )


def _throttled(send: Callable[[Message], None]) -> Callable[[str, int], None]:
    """Report a new stage at once, rows at most five times a second."""
    last = ("", 0.0)

    def report(stage: str, rows: int) -> None:
        nonlocal last
        now = time.monotonic()
        if stage != last[0] or now - last[1] >= _REPORT_EVERY:
            last = (stage, now)
            send(Message("progress", (stage, rows)))

    return report


def _limit_memory(megabytes: int) -> None:
    """The limit counts from what the preloaded process already has."""
    with open("/proc/self/statm") as file:  # noqa: PTH123
        data_pages = int(file.read().split()[5])
    limit = data_pages * resource.getpagesize() + (megabytes << 20)
    _soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY or limit < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def _trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))
