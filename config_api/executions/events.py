"""Progress of one execution as server-sent events (WHATWG HTML, section 9.2)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

from starlette.concurrency import run_in_threadpool

from shared.db.executions import ENDED, UNFINISHED_DELIVERY
from shared.errors import NotFound
from shared.executions import ExecutionStory

_STEP_SECONDS = 0.5
_PING_EVERY = 30


async def event_stream(
    read: Callable[[], ExecutionStory], first: ExecutionStory, stopping: threading.Event
) -> AsyncIterator[str]:
    """An event `execution` with the whole story whenever it changed, and `done` with the last one when it is over.

    A stream that ends without `done` was cut off: connect again, it begins with the whole story. Comments keep the
    line open.
    """
    current, sent, quiet = first, "", 0
    while not stopping.is_set():
        text = current.model_dump_json()
        if current.status in ENDED and current.delivery_status not in UNFINISHED_DELIVERY:
            yield _event("execution", text)
            yield _event("done", text)
            return
        if text != sent:
            yield _event("execution", text)
            sent, quiet = text, 0
        elif quiet >= _PING_EVERY:
            yield ": still here\n\n"
            quiet = 0
        await asyncio.sleep(_STEP_SECONDS)
        quiet += 1
        try:
            current = await run_in_threadpool(read)
        except NotFound:  # deleted meanwhile
            yield _event("done", "{}")
            return


def _event(name: str, data: str) -> str:
    return f"event: {name}\ndata: {data}\n\n"
