"""Work that runs beside a server, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

_AGAIN_SECONDS = 0.2


async def end_tasks(tasks: Iterable[asyncio.Task[object]]) -> None:
    """Cancels tasks until they have ended; what they raised is of no interest any more.

    Once is not always enough: a client library underneath (redis-py's cluster pipeline, now and then) may take a
    cancellation for itself, and the work would go on until somebody kills the process.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        done, pending = await asyncio.wait(pending, timeout=_AGAIN_SECONDS)
        for task in done:
            if not task.cancelled():
                task.exception()
