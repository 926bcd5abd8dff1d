"""One timer for many waits."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref

from gateway.deadlines import GRAIN_SECONDS, Deadlines


def expire(future: asyncio.Future[str]) -> None:
    future.set_result("expired")


async def test_a_wait_ends_when_its_time_is_up() -> None:
    loop = asyncio.get_running_loop()
    deadlines = Deadlines()
    started = time.monotonic()
    futures = [loop.create_future() for _ in range(100)]
    for future in futures:
        deadlines.watch(future, started + 0.05, expire)
    assert await asyncio.gather(*futures) == ["expired"] * 100
    assert 0.05 - 2 * GRAIN_SECONDS <= time.monotonic() - started < 0.5


async def test_what_is_done_in_time_is_left_alone() -> None:
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    deadlines = Deadlines()
    deadlines.watch(future, time.monotonic() + 0.02, expire)
    future.set_result("answered")
    await asyncio.sleep(0.05)
    assert future.result() == "answered"


async def test_a_time_that_is_past_ends_the_wait_at_once() -> None:
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    Deadlines().watch(future, time.monotonic() - 5, expire)
    assert await asyncio.wait_for(future, 0.1) == "expired"


async def test_watching_keeps_nothing_alive() -> None:
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    gone = weakref.ref(future)
    deadlines = Deadlines()
    deadlines.watch(future, time.monotonic() + 60, expire)
    del future
    gc.collect()
    assert gone() is None
