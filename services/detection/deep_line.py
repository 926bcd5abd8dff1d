"""Who is next at the deep tier, when more is asked of it than it can do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from moat_client.coalescer import Pending

from services.runtime.fair_queue import FairQueue

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


class DeepLine(Generic[ItemT, ResultT]):
    """A coalescer's line. A list is of one length, since what is padded to the same joins in one run of the model: the lengths
    take turns, and in each the tenants. The gateway's own line cannot see to that: all that it lets in may want the deep
    tier.
    """

    def __init__(
        self, lengths: Sequence[int], *, length: Callable[[ItemT], int], tenant: Callable[[ItemT], str]
    ) -> None:
        """`length` of an item is one of `lengths`."""
        self._by_length: dict[int, FairQueue[Pending[ItemT, ResultT]]] = {one: FairQueue() for one in lengths}
        self._turns = list(lengths)
        self._length = length
        self._tenant = tenant

    def __len__(self) -> int:
        """How much waits."""
        return sum(map(len, self._by_length.values()))

    def push(self, pending: Pending[ItemT, ResultT], priority: int) -> None:  # noqa: ARG002 - the gateway has sorted by it
        """See `moat_client.coalescer.Line`."""
        self._by_length[self._length(pending.item)].push(self._tenant(pending.item), 1, pending)

    def take(self, most: int) -> Sequence[Pending[ItemT, ResultT]]:
        """See `moat_client.coalescer.Line`."""
        turn = next(length for length in self._turns if self._by_length[length])
        self._turns.remove(turn)
        self._turns.append(turn)
        queue = self._by_length[turn]
        return [queue.pop() for _ in range(min(most, len(queue)))]
