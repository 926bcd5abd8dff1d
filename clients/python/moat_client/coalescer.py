"""Turns many single requests into few lists, without a timer.

A coalescer sends at once while a call slot is free, and gathers what arrives while all slots are busy. So one caller
pays nothing for it, and batches grow with load by themselves. The same class stands in the SDK, in the gateway's
clients, and in front of Redis, Triton and the log.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")
_OPEN_PER_SLOT = 16


class QueueFull(Exception):
    """The queue holds as many items as it may; nothing was sent."""


class DeadlinePassed(Exception):
    """The item's deadline passed while it waited; it was not sent."""


class NotAnswered(Exception):
    """The list was answered without a result for this item."""


@dataclass(slots=True, eq=False)
class Pending(Generic[ItemT, ResultT]):
    """One item on its way. The sender settles `future`; what it leaves unsettled fails with `NotAnswered`."""

    item: ItemT
    future: asyncio.Future[ResultT]
    deadline: float | None
    """On `time.monotonic`'s clock; None is none."""
    enqueued: float = field(default_factory=time.monotonic)

    def resolve(self, result: ResultT) -> None:
        """Answers the item, unless its caller has gone."""
        if not self.future.done():
            self.future.set_result(result)

    def fail(self, error: BaseException) -> None:
        """Answers the item with an error, unless its caller has gone."""
        if not self.future.done():
            self.future.set_exception(error)


class BatchObserver(Protocol):
    """Hears of every list as it is sent. Must not block."""

    def __call__(self, *, items: int, longest_wait_seconds: float) -> None:
        """`items` in the list, and how long the first of them waited."""


class Batch(list[Pending[ItemT, ResultT]]):
    """A list on its way. It holds a slot until its sender returns, or says that the answers have begun."""

    def __init__(self, free: Callable[[], None]) -> None:
        """`free` gives the slot back."""
        super().__init__()
        self._free: Callable[[], None] | None = free

    def answers_have_begun(self) -> None:
        """For senders whose results come in parts: what is left of this list holds up nobody who waits."""
        if self._free is not None:
            free, self._free = self._free, None
            free()


Sender = Callable[[Batch[ItemT, ResultT]], Awaitable[None]]


class Line(Protocol[ItemT, ResultT]):
    """What waits for a slot, and who of it goes next."""

    def __len__(self) -> int:
        """How much waits."""

    def push(self, pending: Pending[ItemT, ResultT], priority: int) -> None:
        """One more. `priority` 0 is what somebody waits for, 1 what nobody does."""

    def take(self, most: int) -> Sequence[Pending[ItemT, ResultT]]:
        """The next list, of 1 to `most` items. Only asked when something waits."""


class ByPriority(Generic[ItemT, ResultT]):
    """First come, first served; items of priority 0 go ahead of those of priority 1."""

    def __init__(self) -> None:
        """Empty."""
        self._lanes: tuple[deque[Pending[ItemT, ResultT]], ...] = (deque(), deque())

    def __len__(self) -> int:
        """How much waits."""
        return len(self._lanes[0]) + len(self._lanes[1])

    def push(self, pending: Pending[ItemT, ResultT], priority: int) -> None:
        """See `Line`."""
        self._lanes[priority].append(pending)

    def take(self, most: int) -> Sequence[Pending[ItemT, ResultT]]:
        """See `Line`."""
        taken: list[Pending[ItemT, ResultT]] = []
        for lane in self._lanes:
            while lane and len(taken) < most:
                taken.append(lane.popleft())
        return taken


class Coalescer(Generic[ItemT, ResultT]):
    """Sends items in lists, at most `slots` lists at a time.

    A list whose answers have begun does not count (see `Batch`), but there are never more than sixteen times `slots`.
    Belongs to one event loop; not thread-safe. `submit` never blocks.
    """

    def __init__(
        self,
        send: Sender[ItemT, ResultT],
        *,
        slots: int = 2,
        max_batch: int = 64,
        max_queue: int = 8192,
        observe: BatchObserver | None = None,
        line: Line[ItemT, ResultT] | None = None,
    ) -> None:
        """`send` settles a list's items; `max_queue` bounds the items that wait, those in flight not counted. `line` says who
        goes next (None: `ByPriority`)."""
        self._send = send
        self._slots = slots
        self._max_batch = max_batch
        self._max_queue = max_queue
        self._observe = observe
        self._line: Line[ItemT, ResultT] = ByPriority() if line is None else line
        self._flush_scheduled = False
        self._calls: set[asyncio.Task[None]] = set()
        self._busy = 0

    @property
    def waiting(self) -> int:
        """How many items wait for a slot."""
        return len(self._line)

    def submit(self, item: ItemT, *, deadline: float | None = None, priority: int = 0) -> asyncio.Future[ResultT]:
        """Queues an item; returns the future of its result.

        The future fails with `DeadlinePassed`, `NotAnswered`, or what `send` raised. Raises `QueueFull`.
        """
        if len(self._line) >= self._max_queue:
            raise QueueFull
        loop = asyncio.get_running_loop()
        pending: Pending[ItemT, ResultT] = Pending(item, loop.create_future(), deadline)
        self._line.push(pending, priority)
        if not self._flush_scheduled and self._has_slot():
            # Not at once but when the loop has run what is ready now: items that arrived together leave together.
            self._flush_scheduled = True
            loop.call_soon(self._flush)
        return pending.future

    async def drain(self) -> None:
        """Waits until nothing waits and nothing is in flight."""
        while len(self._line) or self._calls:
            if self._calls:
                await asyncio.wait(self._calls)
            else:
                await asyncio.sleep(0)

    def _has_slot(self) -> bool:
        return self._busy < self._slots and len(self._calls) < self._slots * _OPEN_PER_SLOT

    def _flush(self) -> None:
        self._flush_scheduled = False
        while len(self._line) and self._has_slot():
            batch = self._take()
            if batch:
                self._busy += 1
                task = asyncio.create_task(self._call(batch))
                self._calls.add(task)
                task.add_done_callback(self._called)

    def _free_slot(self) -> None:
        self._busy -= 1
        if len(self._line) and not self._flush_scheduled:
            self._flush_scheduled = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _take(self) -> Batch[ItemT, ResultT]:
        now = time.monotonic()
        batch: Batch[ItemT, ResultT] = Batch(self._free_slot)
        for pending in self._line.take(self._max_batch):
            if pending.future.done():
                continue
            if pending.deadline is not None and pending.deadline <= now:
                pending.fail(DeadlinePassed())
                continue
            batch.append(pending)
        if batch and self._observe is not None:
            self._observe(items=len(batch), longest_wait_seconds=now - batch[0].enqueued)
        return batch

    async def _call(self, batch: Batch[ItemT, ResultT]) -> None:
        try:
            await self._send(batch)
        except asyncio.CancelledError:
            for pending in batch:
                pending.future.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, every item of the list must hear of it
            for pending in batch:
                pending.fail(error)
        else:
            for pending in batch:
                pending.fail(NotAnswered())
        finally:
            batch.answers_have_begun()

    def _called(self, task: asyncio.Task[None]) -> None:
        self._calls.discard(task)
        self._flush()
