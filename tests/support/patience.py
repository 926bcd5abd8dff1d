"""Patience with a mesh of which a part is missing for a moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from moat_client import Decision


async def whole(ask: Callable[[], Awaitable[Decision]], *, seconds: float = 90) -> Decision:
    """The first decision for which no part was missing. An earlier test may have ended a process that is not back yet, and two
    meshes on two cores may be late: both degrade a decision, as they should."""
    async with asyncio.timeout(seconds):
        while (decision := await ask()).degraded:
            await asyncio.sleep(0.5)
    return decision
