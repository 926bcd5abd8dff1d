"""Several streams as one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

from services.runtime.background import end_tasks

PartT = TypeVar("PartT")


async def side_by_side(*streams: AsyncIterator[PartT]) -> AsyncIterator[PartT]:
    """Their parts as they come. Raises what the first of them raises; the others end with it."""
    ready: asyncio.Queue[PartT | None] = asyncio.Queue()

    async def drain(stream: AsyncIterator[PartT]) -> None:
        try:
            async for part in stream:
                ready.put_nowait(part)
        finally:
            ready.put_nowait(None)

    tasks = [asyncio.create_task(drain(stream)) for stream in streams]
    try:
        left = len(tasks)
        while left:
            part = await ready.get()
            if part is not None:
                yield part
                continue
            left -= 1
            for task in tasks:
                if task.done():
                    task.result()
        await asyncio.gather(*tasks)
    finally:
        await end_tasks([task for task in tasks if not task.done()])
