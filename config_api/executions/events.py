"""Progress of one execution as server-sent events (WHATWG HTML, section 9.2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from starlette.concurrency import run_in_threadpool

from shared.db.executions import ENDED, UNFINISHED_DELIVERY
from shared.executions import ExecutionStory

_STEP_SECONDS = 0.5
_PING_EVERY = 30


async def event_stream(read: Callable[[], ExecutionStory], first: ExecutionStory) -> AsyncIterator[str]:
    """An event `execution` whenever the story changed, a comment to keep the line open, and an end when it is over."""
    current, sent, quiet = first, "", 0
    while True:
        text = current.model_dump_json()
        if text != sent:
            yield f"event: execution\ndata: {text}\n\n"
            sent, quiet = text, 0
        elif quiet >= _PING_EVERY:
            yield ": still here\n\n"
            quiet = 0
        if current.status in ENDED and current.delivery_status not in UNFINISHED_DELIVERY:
            yield "event: end\ndata: {}\n\n"
            return
        await asyncio.sleep(_STEP_SECONDS)
        quiet += 1
        current = await run_in_threadpool(read)
