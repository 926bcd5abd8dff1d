"""Voices: each utterance is decided where it stands, and a call ends without losing one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
import pytest
from google.rpc import code_pb2
from moat.moderation.v1 import moderation_service_pb2 as api

from gateway.voices.voice import Voice
from tests.contract.gateway.fake_mesh import caller, reason
from tests.contract.gateway.waiting import until
from tools.speech.clips import RATE, conversation, silence, spoken

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from numpy.typing import NDArray

    from tests.contract.gateway.fake_mesh import FakeMesh

    StartFakeMesh = Callable[..., Awaitable[FakeMesh]]

TEXTS = ("Good evening everybody.", "You are a stupid worthless idiot.", "I hate you so much.")
PIECE = 640
"""Bytes: what a game sends fifty times a second."""


def start(voice_id: str = "v1", **more: Any) -> api.ModerateVoiceRequest:  # noqa: ANN401 - fields of the message
    fields = {"user_id": "u1", "channel_id": "c1", "sample_rate": RATE, **more}
    return api.ModerateVoiceRequest(start=api.VoiceStart(voice_id=voice_id, **fields))


class Speaker:
    """A voice as a game server holds it."""

    def __init__(self, fake_mesh: FakeMesh, *args: Any, **who: Any) -> None:  # noqa: ANN401 - as caller() takes them
        self.call = fake_mesh.stub.ModerateVoice(None, metadata=caller(*args, **who))
        self.heard: list[api.ModerateVoiceResponse] = []
        self._reader = asyncio.ensure_future(self._read())

    async def begin(self, **more: Any) -> None:  # noqa: ANN401 - as start() takes them
        await self.call.write(start(**more))

    async def say(self, samples: NDArray[np.int16], piece: int = PIECE) -> None:
        sound = samples.tobytes()
        for at in range(0, len(sound), piece):
            await self.call.write(api.ModerateVoiceRequest(sound=sound[at : at + piece]))

    async def end(self) -> grpc.aio.AioRpcError | None:
        await self.call.done_writing()
        return await self._reader

    async def ended(self) -> grpc.aio.AioRpcError | None:
        return await self._reader

    async def _read(self) -> grpc.aio.AioRpcError | None:
        try:
            async for response in self.call:
                self.heard.append(response)
        except grpc.aio.AioRpcError as error:
            return error
        return None


def frames_of_the_only_voice(fake_mesh: FakeMesh) -> int:
    """How much of it the gateway has looked at."""
    (voice,) = fake_mesh.gateway.streams._open
    assert isinstance(voice, Voice)
    assert voice._cutter is not None
    return voice._cutter._utterances._next


async def test_each_utterance_is_an_item_and_is_decided_where_it_stands(fake_mesh: FakeMesh) -> None:
    speaker = Speaker(fake_mesh)
    await speaker.begin(surface="party", target_user_ids=["u2"])
    await speaker.say(conversation(TEXTS))
    assert await speaker.end() is None
    assert sorted(one.utterance for one in speaker.heard) == [0, 1, 2]
    at = 0.0
    for text, one in zip(TEXTS, sorted(speaker.heard, key=lambda one: one.utterance), strict=True):
        seconds = len(spoken(text)) / RATE
        assert one.decision.request_id == f"v1/{one.utterance}"
        assert one.interval.start_millis / 1000 == pytest.approx(at + 1, abs=0.3)
        assert one.interval.end_millis / 1000 == pytest.approx(at + 1 + seconds, abs=0.3)
        at += 1 + seconds
    asked = fake_mesh.detection.seen
    assert {(item.surface, item.content.audio.media_type) for item in asked} == {("party", "audio/pcm;rate=16000")}
    assert [len(item.content.audio.data) // 32 for item in asked] == pytest.approx(
        [one.interval.end_millis - one.interval.start_millis for one in speaker.heard], abs=1
    )


async def test_an_utterance_is_answered_while_the_voice_goes_on(fake_mesh: FakeMesh) -> None:
    speaker = Speaker(fake_mesh)
    await speaker.begin()
    await speaker.say(np.concatenate([spoken(TEXTS[0]), silence(1)]))
    await until(lambda: len(speaker.heard) == 1)
    await speaker.say(np.concatenate([spoken(TEXTS[1]), silence(1)]))
    await until(lambda: len(speaker.heard) == 2)
    assert await speaker.end() is None


@pytest.mark.parametrize("rate", [8000, 24000, 48000])
async def test_any_rate_will_do(fake_mesh: FakeMesh, rate: int) -> None:
    samples = conversation(TEXTS[:2])
    places = np.arange(len(samples) * rate // RATE) * RATE / rate
    speaker = Speaker(fake_mesh)
    await speaker.begin(sample_rate=rate)
    await speaker.say(np.interp(places, np.arange(len(samples)), samples).astype(np.int16), piece=65536)
    assert await speaker.end() is None
    assert len(speaker.heard) == 2


async def test_what_is_being_spoken_at_the_end_counts_and_silence_does_not(fake_mesh: FakeMesh) -> None:
    speaker = Speaker(fake_mesh)
    await speaker.begin()
    await speaker.say(silence(2))
    await speaker.say(spoken(TEXTS[1])[:RATE])
    assert await speaker.end() is None
    assert len(speaker.heard) == 1
    quiet = Speaker(fake_mesh)
    await quiet.begin(voice_id="v2")
    await quiet.say(silence(3))
    assert await quiet.end() is None
    assert quiet.heard == []


@pytest.mark.parametrize(
    ("messages", "field"),
    [
        ([api.ModerateVoiceRequest(sound=b"\0\0")], "start"),
        ([start(), start()], "start"),
        ([start(), api.ModerateVoiceRequest(sound=b"\0\0\0")], "sound"),
        ([start(), api.ModerateVoiceRequest(sound=bytes(65538))], "sound"),
        ([start(sample_rate=44100)], "start.sample_rate"),
        ([start(voice_id="")], "start.voice_id"),
        ([api.ModerateVoiceRequest()], ""),
    ],
    ids=["no start", "two starts", "half a sample", "too much", "a rate", "no id", "nothing"],
)
async def test_a_message_that_makes_no_sense_ends_the_call_by_name(
    fake_mesh: FakeMesh, messages: list[api.ModerateVoiceRequest], field: str
) -> None:
    speaker = Speaker(fake_mesh)
    for message in messages:
        await speaker.call.write(message)
    error = await speaker.ended()
    assert error is not None
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert field in str(error.details())


async def test_what_came_before_a_bad_message_is_answered(fake_mesh: FakeMesh) -> None:
    speaker = Speaker(fake_mesh)
    await speaker.begin()
    await speaker.say(spoken(TEXTS[0]))
    await speaker.call.write(api.ModerateVoiceRequest(sound=b"\0"))
    error = await speaker.ended()
    assert error is not None
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert [one.utterance for one in speaker.heard] == [0]


async def test_an_utterance_without_room_is_refused_and_the_voice_goes_on(start_fake_mesh: StartFakeMesh) -> None:
    fake_mesh = await start_fake_mesh(in_flight_limit=1, max_wait_seconds=0.3)
    fake_mesh.detection.gate.clear()
    speaker = Speaker(fake_mesh)
    await speaker.begin()
    await speaker.say(conversation(TEXTS[:2]))
    await until(lambda: len(speaker.heard) == 1)
    assert (speaker.heard[0].utterance, speaker.heard[0].error.code) == (1, code_pb2.RESOURCE_EXHAUSTED)
    fake_mesh.detection.gate.set()
    await speaker.say(conversation(TEXTS[2:]))
    assert await speaker.end() is None
    assert {one.utterance: one.error.code for one in speaker.heard} == {0: 0, 1: code_pb2.RESOURCE_EXHAUSTED, 2: 0}


async def test_a_voice_is_not_read_while_too_much_of_it_is_unanswered(start_fake_mesh: StartFakeMesh) -> None:
    fake_mesh = await start_fake_mesh(voice_unanswered_limit=1)
    fake_mesh.detection.gate.clear()
    speaker = Speaker(fake_mesh)
    await speaker.begin()
    saying = asyncio.create_task(speaker.say(conversation(TEXTS * 3)))
    await until(lambda: len(fake_mesh.detection.seen) == 1)
    assert speaker.heard == []
    fake_mesh.detection.gate.set()
    await saying
    assert await speaker.end() is None
    assert len(speaker.heard) == 9


async def test_a_gateway_that_goes_away_decides_what_it_heard(fake_mesh: FakeMesh) -> None:
    speaker = Speaker(fake_mesh)
    await speaker.begin()
    await speaker.say(np.concatenate([spoken(TEXTS[0]), silence(1), spoken(TEXTS[1])]))
    await until(lambda: len(speaker.heard) == 1)
    await until(lambda: frames_of_the_only_voice(fake_mesh) > 80)
    fake_mesh.gateway.server.draining.set()
    error = await speaker.ended()
    assert error is not None
    assert (error.code(), reason(error)) == (grpc.StatusCode.UNAVAILABLE, "DRAINING")
    assert sorted(one.utterance for one in speaker.heard) == [0, 1]


async def test_a_voice_whose_token_expires_ends_when_it_is_answered(fake_mesh: FakeMesh) -> None:
    speaker = Speaker(fake_mesh, expires_in=2.0)
    await speaker.begin()
    await speaker.say(spoken(TEXTS[0]))
    error = await speaker.ended()
    assert error is not None
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED
    assert [one.utterance for one in speaker.heard] == [0]


async def test_only_so_many_voices_are_open_and_one_tenant_leaves_room(start_fake_mesh: StartFakeMesh) -> None:
    fake_mesh = await start_fake_mesh(voices_limit=2)
    first = Speaker(fake_mesh)
    await first.begin()
    await first.say(np.concatenate([spoken(TEXTS[0]), silence(1)]))
    await until(lambda: len(first.heard) == 1)
    error = await Speaker(fake_mesh).ended()
    assert error is not None
    assert (error.code(), reason(error)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "VOICES_OPEN")
    other = Speaker(fake_mesh, "open")
    await other.begin()
    await other.say(spoken(TEXTS[0]))
    assert await other.end() is None
    assert len(other.heard) == 1
    assert await first.end() is None
    again = Speaker(fake_mesh)
    await again.begin(voice_id="v2")
    assert await again.end() is None


async def test_the_same_voice_again_is_not_decided_twice(fake_mesh: FakeMesh) -> None:
    for replayed in (False, True):
        speaker = Speaker(fake_mesh)
        await speaker.begin()
        await speaker.say(conversation(TEXTS[:1]))
        assert await speaker.end() is None
        assert [one.decision.replayed for one in speaker.heard] == [replayed]
