"""Who is next at a detector: tenants in turn, and never two tenants' contents in one call."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

from moat_client.coalescer import Pending

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


class Turns(Generic[ItemT, ResultT]):
    """A coalescer's line. A list has items of one `group` alone; the groups take turns by the list."""

    def __init__(self, *, group: Callable[[ItemT], Hashable]) -> None:
        """`group` of an item: what may share a call."""
        self._group = group
        self._waiting: OrderedDict[Hashable, deque[Pending[ItemT, ResultT]]] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        """How much waits."""
        return self._size

    def waiting(self, group: Hashable) -> int:
        """How much of one group waits."""
        return len(self._waiting.get(group, ()))

    def push(self, pending: Pending[ItemT, ResultT], priority: int) -> None:  # noqa: ARG002 - groups in turn; nothing goes ahead
        """See `moat_client.coalescer.Line`."""
        self._waiting.setdefault(self._group(pending.item), deque()).append(pending)
        self._size += 1

    def take(self, most: int) -> Sequence[Pending[ItemT, ResultT]]:
        """See `moat_client.coalescer.Line`."""
        group, queue = self._waiting.popitem(last=False)
        taken = [queue.popleft() for _ in range(min(most, len(queue)))]
        self._size -= len(taken)
        if queue:
            self._waiting[group] = queue
        return taken
