"""The workers: what a picture does to one of them costs that picture alone."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest
from moat_client.coalescer import QueueFull

from services.detection.images.decoder import Decoder
from services.detection.workers import Encoded
from services.runtime.errors import InvalidRequest, OutOfTime
from tests.support.pictures import bomb, drawing, encoded

GOOD = encoded(drawing(1))
START = Callable[..., Awaitable[Decoder]]
OBEYS = """
import os, sys
from services.detection.images import worker
decode = worker.decode
def crashing(data, **more):
    if data.startswith(b"crash"):
        os.abort()
    while data.startswith(b"compute"):
        pass
    return decode(data, **more)
worker.decode = crashing
worker.main()
"""


@pytest.fixture
async def start() -> AsyncIterator[START]:
    async with AsyncExitStack() as stack:

        async def started(command: Sequence[str] = (), *, cpu_seconds: float = 20, queue: int = 8) -> Decoder:
            more: dict[str, Any] = {"command": command} if command else {}
            decoder = Decoder(
                workers=1, queue=queue, cpu_seconds=cpu_seconds, most_pixels=40_000_000, most_bytes=1 << 30, **more
            )
            stack.push_async_callback(decoder.close)
            return decoder

        yield started


async def refused(decoder: Decoder, data: bytes) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        await decoder.ask(Encoded(data), deadline=None)
    return caught.value


async def test_a_picture_is_decoded_in_another_process(start: START) -> None:
    decoder = await start()
    found = await decoder.ask(Encoded(GOOD), deadline=None)
    assert (found.decoded.format, found.decoded.width, len(found.decoded.pdq.hash)) == ("jpeg", 640, 32)
    assert found.seconds > 0


async def test_a_refusal_names_the_field_the_limit_and_a_remedy(start: START) -> None:
    error = await refused(await start(), bomb())
    assert error.reason == "IMAGE_TOO_LARGE"
    (violation,) = error.violations
    assert violation.field == "content.image.data"
    assert "40000000" in violation.description
    assert "send a smaller copy" in violation.description


async def test_a_picture_that_computes_too_long_is_refused_and_the_next_is_decoded(start: START) -> None:
    decoder = await start([sys.executable, "-c", OBEYS], cpu_seconds=3)
    error = await refused(decoder, b"compute")
    assert error.reason == "IMAGE_TOO_SLOW"
    assert "more than 3 s" in error.message
    assert (await decoder.ask(Encoded(GOOD), deadline=None)).decoded.format == "jpeg"


async def test_a_worker_that_hangs_is_ended_and_its_picture_is_not_to_blame(start: START) -> None:
    decoder = await start([sys.executable, "-c", "import time; time.sleep(600)"], cpu_seconds=0.05)
    for _ in range(2):
        with pytest.raises(OutOfTime):
            await decoder.ask(Encoded(GOOD), deadline=None)


async def test_a_picture_that_crashes_its_worker_is_refused_and_the_next_is_decoded(start: START) -> None:
    decoder = await start([sys.executable, "-c", OBEYS])
    assert (await refused(decoder, b"crash")).reason == "IMAGE_DAMAGED"
    assert (await decoder.ask(Encoded(GOOD), deadline=None)).decoded.format == "jpeg"


async def test_a_picture_is_not_to_blame_for_a_worker_that_was_ended_before_it_came(start: START) -> None:
    decoder = await start()
    await decoder.ask(Encoded(GOOD), deadline=None)
    process = decoder._workers[0]._process
    assert process is not None
    process.kill()
    assert (await decoder.ask(Encoded(GOOD), deadline=None)).decoded.format == "jpeg"


async def test_an_answer_that_nobody_waited_for_does_not_meet_the_next_picture(start: START) -> None:
    decoder = await start()
    tiny = encoded(drawing(2, 64, 48))
    given_up = asyncio.ensure_future(decoder.ask(Encoded(GOOD), deadline=None))
    await asyncio.sleep(0)
    given_up.cancel()
    assert (await decoder.ask(Encoded(tiny), deadline=None)).decoded.width == 64


async def test_only_so_many_wait(start: START) -> None:
    decoder = await start(queue=2)
    asked = [decoder.ask(Encoded(GOOD, str(number)), deadline=None) for number in range(2)]
    with pytest.raises(QueueFull):
        decoder.ask(Encoded(GOOD), deadline=None)
    await asyncio.gather(*asked)
