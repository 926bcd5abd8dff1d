"""The coalescer: no wait when idle, lists that grow with load, and every item answered exactly once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import pytest
from moat_client.coalescer import Batch, Coalescer, DeadlinePassed, NotAnswered, Pending, QueueFull


class Peer:
    """Answers each item with its double; holds its answers while `gate` is closed."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def send(self, batch: Sequence[Pending[int, int]]) -> None:
        self.batches.append([pending.item for pending in batch])
        await self.gate.wait()
        for pending in batch:
            pending.resolve(pending.item * 2)


async def test_items_that_arrive_together_leave_together() -> None:
    peer = Peer()
    coalescer = Coalescer(peer.send, slots=2)
    assert await asyncio.gather(*(coalescer.submit(i) for i in range(5))) == [0, 2, 4, 6, 8]
    assert peer.batches == [[0, 1, 2, 3, 4]]


async def test_items_gather_while_every_slot_is_busy() -> None:
    peer = Peer()
    peer.gate.clear()
    coalescer = Coalescer(peer.send, slots=1, max_batch=3)
    first = coalescer.submit(1)
    await asyncio.sleep(0.01)
    rest = [coalescer.submit(i) for i in range(2, 7)]
    await asyncio.sleep(0.01)
    assert peer.batches == [[1]]
    peer.gate.set()
    assert await asyncio.gather(first, *rest) == [2, 4, 6, 8, 10, 12]
    assert peer.batches == [[1], [2, 3, 4], [5, 6]]


async def test_what_a_person_waits_for_goes_first() -> None:
    peer = Peer()
    peer.gate.clear()
    coalescer = Coalescer(peer.send, slots=1, max_batch=2)
    futures = [coalescer.submit(0)]
    await asyncio.sleep(0.01)
    futures += [coalescer.submit(10, priority=1), coalescer.submit(11, priority=1), coalescer.submit(1)]
    peer.gate.set()
    await asyncio.gather(*futures)
    assert peer.batches == [[0], [1, 10], [11]]


async def test_a_full_queue_refuses_at_once() -> None:
    peer = Peer()
    peer.gate.clear()
    coalescer = Coalescer(peer.send, slots=1, max_queue=2)
    sent = coalescer.submit(1)
    await asyncio.sleep(0.01)
    waiting = [coalescer.submit(2), coalescer.submit(3)]
    with pytest.raises(QueueFull):
        coalescer.submit(4)
    peer.gate.set()
    assert await asyncio.gather(sent, *waiting) == [2, 4, 6]


async def test_an_item_that_waited_past_its_deadline_is_not_sent() -> None:
    peer = Peer()
    peer.gate.clear()
    coalescer = Coalescer(peer.send, slots=1)
    first = coalescer.submit(1)
    await asyncio.sleep(0)
    late = coalescer.submit(2, deadline=time.monotonic() + 0.005)
    await asyncio.sleep(0.02)
    peer.gate.set()
    assert await first == 2
    with pytest.raises(DeadlinePassed):
        await late
    assert peer.batches == [[1]]


async def test_a_cancelled_caller_costs_its_neighbours_nothing() -> None:
    peer = Peer()
    peer.gate.clear()
    coalescer = Coalescer(peer.send, slots=1)
    first = coalescer.submit(1)
    await asyncio.sleep(0)
    gone, stays = coalescer.submit(2), coalescer.submit(3)
    gone.cancel()
    peer.gate.set()
    assert [await first, await stays] == [2, 6]
    assert peer.batches == [[1], [3]]


async def test_a_failed_call_fails_only_what_was_not_answered() -> None:
    async def send(batch: Sequence[Pending[int, int]]) -> None:
        batch[0].resolve(7)
        message = "peer is gone"
        raise ConnectionError(message)

    coalescer = Coalescer(send)
    answered, lost = coalescer.submit(1), coalescer.submit(2)
    assert await answered == 7
    with pytest.raises(ConnectionError):
        await lost


async def test_an_item_the_peer_forgot_is_an_error_not_a_hang() -> None:
    async def send(batch: Sequence[Pending[int, int]]) -> None:
        batch[0].resolve(1)

    coalescer = Coalescer(send)
    answered, forgotten = coalescer.submit(1), coalescer.submit(2)
    assert await answered == 1
    with pytest.raises(NotAnswered):
        await forgotten


async def test_a_list_whose_answers_have_begun_holds_up_nobody() -> None:
    sent: list[list[int]] = []
    last = asyncio.Event()

    async def send(batch: Batch[int, int]) -> None:
        sent.append([pending.item for pending in batch])
        batch[0].resolve(0)
        batch.answers_have_begun()
        await last.wait()

    coalescer = Coalescer(send, slots=1)
    slow = [coalescer.submit(1), coalescer.submit(2)]
    assert await slow[0] == 0
    for item in range(3, 21):
        quick = coalescer.submit(item)
        await asyncio.sleep(0.001)
        assert quick.done() is (item < 18), "sixteen lists are open; the next ones gather"
    last.set()
    await coalescer.drain()
    assert sent == [[1, 2], *([item] for item in range(3, 18)), [18, 19, 20]]


async def test_drain_waits_for_what_waits_and_what_flies() -> None:
    peer = Peer()
    coalescer = Coalescer(peer.send, slots=1, max_batch=1)
    futures = [coalescer.submit(i) for i in range(4)]
    await coalescer.drain()
    assert [future.result() for future in futures] == [0, 2, 4, 6]
    assert coalescer.waiting == 0


async def test_the_observer_hears_sizes_and_waits() -> None:
    heard: list[int] = []

    def observe(*, items: int, longest_wait_seconds: float) -> None:
        assert longest_wait_seconds >= 0
        heard.append(items)

    peer = Peer()
    coalescer = Coalescer(peer.send, slots=1, max_batch=2, observe=observe)
    await asyncio.gather(*(coalescer.submit(i) for i in range(5)))
    assert heard == [2, 2, 1]
