"""The line in front of the speech model: bounded in seconds of sound, fair, and honest about what it sheds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from moat_client.coalescer import DeadlinePassed, QueueFull

from services.detection.sounds.listener import WAITING, Listener, Question, Words
from services.runtime.errors import DependencyDown

START = Callable[[], Awaitable[Listener]]
QUEUE = 60.0


def utterance(seconds: float, tenant: str = "a") -> Question:
    return Question(bytes(int(seconds * 16000) * 2), tenant=tenant)


@pytest.fixture
async def busy() -> AsyncIterator[Listener]:
    """Asks a server that takes every call and answers none."""
    async with AsyncExitStack() as stack:
        held: list[asyncio.StreamWriter] = []
        server = await asyncio.start_server(lambda _, writer: held.append(writer), "127.0.0.1", 0)
        stack.push_async_callback(server.wait_closed)

        def let_go() -> None:
            for writer in held:
                writer.close()

        stack.callback(let_go)
        stack.callback(server.close)
        port = server.sockets[0].getsockname()[1]
        listener = Listener(f"127.0.0.1:{port}", slots=1, queue_seconds=QUEUE)
        stack.push_async_callback(listener.close)
        yield listener


async def give_up(futures: list[asyncio.Future[Words]]) -> None:
    for future in futures:
        future.cancel()
    await asyncio.sleep(0)


async def test_so_many_seconds_wait_and_no_more(busy: Listener) -> None:
    futures = [busy.ask(utterance(10, tenant), deadline=None) for tenant in "abcdef"]
    assert WAITING._value.get() == QUEUE
    with pytest.raises(QueueFull):
        busy.ask(utterance(0.1, "g"), deadline=None)
    await give_up(futures[:1])
    futures.append(busy.ask(utterance(0.1, "g"), deadline=None))
    await give_up(futures)
    assert WAITING._value.get() == 0


async def test_one_tenant_leaves_room_for_the_next(busy: Listener) -> None:
    futures = [busy.ask(utterance(10), deadline=None) for _ in range(3)]
    with pytest.raises(QueueFull):
        busy.ask(utterance(1), deadline=None)
    futures.append(busy.ask(utterance(25, "b"), deadline=None))
    await give_up(futures)


async def test_the_longest_utterance_has_room_where_nothing_waits(busy: Listener) -> None:
    await give_up([busy.ask(utterance(1000), deadline=None)])


async def test_what_waits_past_its_deadline_is_not_sent() -> None:
    listener = Listener("127.0.0.1:1", slots=1, queue_seconds=QUEUE)
    late = listener.ask(utterance(1), deadline=time.monotonic() - 1)
    with pytest.raises(DeadlinePassed):
        await late
    await listener.close()


async def test_a_server_that_is_away_is_a_dependency_that_is_down() -> None:
    listener = Listener("127.0.0.1:1", slots=1, queue_seconds=QUEUE)
    with pytest.raises(DependencyDown):
        await listener.ask(utterance(0.1), deadline=None)
    assert WAITING._value.get() == 0
    await listener.close()
