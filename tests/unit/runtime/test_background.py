"""Background work ends when it is told to."""

from __future__ import annotations

import asyncio
import contextlib

from services.runtime.background import end_tasks


async def test_a_task_that_takes_a_cancellation_for_itself_is_cancelled_again() -> None:
    async def deaf() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await asyncio.sleep(60)

    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    await asyncio.wait_for(end_tasks([task]), 5)
    assert task.cancelled()


async def test_what_a_task_raises_at_its_end_harms_nobody() -> None:
    async def failing() -> None:
        raise ValueError("no matter")

    task = asyncio.create_task(failing())
    await asyncio.sleep(0)
    await end_tasks([task])
    assert task.done()


async def test_nothing_to_end_is_fine() -> None:
    await end_tasks([])
