"""Clips are decoded in other processes; what one does to its process costs that clip alone."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack

import pytest

from services.detection.settings import DetectionSettings
from services.detection.sounds.decoder import ClipDecoder
from services.runtime.errors import InvalidRequest
from tools.speech.clips import conversation, wav

GOOD = wav(conversation(["Good evening everybody."]))
START = Callable[..., Awaitable[ClipDecoder]]
OBEYS = """
import os
from services.detection.sounds import worker
decode = worker.decode
def obeying(data, *arguments, **more):
    if data.startswith(b"crash"):
        os.abort()
    while data.startswith(b"compute"):
        pass
    return decode(data, *arguments, **more)
worker.decode = obeying
worker.main()
"""


@pytest.fixture
async def start() -> AsyncIterator[START]:
    async with AsyncExitStack() as stack:

        async def started(command: Sequence[str] = (), *, cpu_seconds: float = 20) -> ClipDecoder:
            more = {"command": command} if command else {}
            decoder = ClipDecoder(
                workers=1,
                queue=8,
                cpu_seconds=cpu_seconds,
                most_seconds=90,
                most_bytes=1 << 30,
                weights=DetectionSettings().voice_activity,
                **more,
            )
            stack.push_async_callback(decoder.close)
            return decoder

        yield started


async def refused(decoder: ClipDecoder, data: bytes, media_type: str = "") -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        await decoder.ask_clip(data, media_type, tenant="a", deadline=None)
    return caught.value


async def test_a_clip_is_decoded_in_another_process(start: START) -> None:
    found = (await (await start()).ask_clip(GOOD, "", tenant="a", deadline=None)).decoded
    assert (found.format, found.rate, len(found.spoken)) == ("wav", 16000, 1)
    assert len(found.spoken[0].samples) > 16000


async def test_a_refusal_names_the_field_the_limit_and_a_remedy(start: START) -> None:
    decoder = await start()
    error = await refused(decoder, bytes(8000 * 2 * 91), "audio/pcm;rate=8000")
    assert error.reason == "SOUND_TOO_LONG"
    (violation,) = error.violations
    assert violation.field == "content.audio.data"
    assert "at most 90 s" in violation.description
    error = await refused(decoder, b"abcd", "audio/mpeg")
    assert error.violations[0].field == "content.audio.media_type"


@pytest.mark.parametrize(("what", "reason"), [(b"compute", "SOUND_TOO_SLOW"), (b"crash", "SOUND_DAMAGED")])
async def test_a_clip_that_ends_its_worker_is_refused_and_the_next_is_decoded(
    start: START, what: bytes, reason: str
) -> None:
    decoder = await start([sys.executable, "-c", OBEYS], cpu_seconds=3)
    assert (await refused(decoder, what)).reason == reason
    assert (await decoder.ask_clip(GOOD, "", tenant="a", deadline=None)).decoded.format == "wav"
