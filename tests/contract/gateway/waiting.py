"""Waits for what must become true soon."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


async def until(condition: Callable[[], bool], *, seconds: float = 10.0) -> None:
    """Returns once `condition()` holds; raises TimeoutError if it never does."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)
