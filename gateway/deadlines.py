"""Ends the wait for a future when its time is up. One timer serves all that end within the same few milliseconds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from weakref import ReferenceType, ref

if TYPE_CHECKING:
    from collections.abc import Callable

GRAIN_SECONDS = 0.002
"""A wait ends at most this much too early, never too late: who waits has a deadline of its own."""


class Deadlines:
    """Belongs to one event loop. An item waits at five hops or so; a timer for each would cost more than the hop."""

    def __init__(self) -> None:
        """Nothing is watched yet."""
        self._slots: dict[int, list[tuple[ReferenceType[asyncio.Future[Any]], Callable[[Any], None]]]] = {}

    def watch(self, future: asyncio.Future[Any], when: float, expire: Callable[[Any], None]) -> None:
        """Calls `expire(future)` at `when` (on the loop's clock) unless it is done by then. Does not keep it alive."""
        slot = int(when / GRAIN_SECONDS)
        watched = self._slots.get(slot)
        if watched is None:
            watched = self._slots[slot] = []
            asyncio.get_running_loop().call_at(slot * GRAIN_SECONDS, self._expire, slot)
        watched.append((ref(future), expire))

    def _expire(self, slot: int) -> None:
        for reference, expire in self._slots.pop(slot):
            future = reference()
            if future is not None and not future.done():
                expire(future)
