"""Who is next where tenants share one coalescer: they take turns, and each is served in the order in which it came."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from moat_client.coalescer import Pending

from services.runtime.fair_queue import FairQueue

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


class FairLine(Generic[ItemT, ResultT]):
    """A coalescer's line. A list may hold several tenants' items."""

    def __init__(self, *, tenant: Callable[[ItemT], str]) -> None:
        """`tenant` says whose an item is."""
        self._queue: FairQueue[Pending[ItemT, ResultT]] = FairQueue()
        self._tenant = tenant

    def __len__(self) -> int:
        """How much waits."""
        return len(self._queue)

    def push(self, pending: Pending[ItemT, ResultT], priority: int) -> None:  # noqa: ARG002 - tenants in turn; nothing goes ahead
        """See `moat_client.coalescer.Line`."""
        self._queue.push(self._tenant(pending.item), 1, pending)

    def take(self, most: int) -> Sequence[Pending[ItemT, ResultT]]:
        """See `moat_client.coalescer.Line`."""
        return [self._queue.pop() for _ in range(min(most, len(self._queue)))]
