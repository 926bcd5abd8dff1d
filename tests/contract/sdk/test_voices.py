"""A voice through the SDK: sound in, utterances out, errors by name."""

from __future__ import annotations

import grpc
import pytest
from moat_client import Decision, MoatError, Utterance, Voice

from services.runtime.errors import InvalidRequest, OverQuota
from tests.contract.sdk.conftest import OpenClient
from tests.contract.sdk.fake_edge import FakeEdge


async def all_of(voice: Voice) -> list[Utterance]:
    return [one async for one in voice]


async def test_every_utterance_comes_with_its_decision_and_its_place(edge: FakeEdge, open_client: OpenClient) -> None:
    async with open_client().voice(user_id="u1", channel_id="party", sample_rate=48000) as voice:
        await voice.send(bytes(1000))
        await voice.send(bytes(500))
        await voice.finish()
        first, second = await all_of(voice)
    (start,) = edge.voices
    assert (start.user_id, start.channel_id, start.surface, start.sample_rate) == ("u1", "party", "voice", 48000)
    assert (first.number, first.interval, second.interval) == (0, (0.0, 1.0), (1.0, 1.5))
    assert isinstance(first.outcome, Decision)
    assert first.outcome.request_id == f"{start.voice_id}/0"
    assert edge.tokens == ["Bearer a token"]


async def test_voices_without_an_id_get_one_each(edge: FakeEdge, open_client: OpenClient) -> None:
    client = open_client()
    for _ in range(2):
        async with client.voice(user_id="u1") as voice:
            await voice.finish()
            assert await all_of(voice) == []
    one, other = (start.voice_id for start in edge.voices)
    assert one != other


async def test_sound_of_any_size_is_sent(edge: FakeEdge, open_client: OpenClient) -> None:
    async with open_client().voice(user_id="u1") as voice:
        await voice.send(bytes(150_000))
        await voice.finish()
        assert [one.interval[1] for one in await all_of(voice)] == [65.536, 131.072, 150.0]


async def test_an_utterance_that_was_not_heard_is_an_error_and_the_voice_goes_on(
    edge: FakeEdge, open_client: OpenClient
) -> None:
    edge.errors.append(OverQuota("too much"))
    async with open_client().voice(user_id="u1") as voice:
        await voice.send(bytes(10))
        await voice.send(bytes(10))
        await voice.finish()
        first, second = await all_of(voice)
    assert isinstance(first.outcome, MoatError)
    assert first.outcome.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert isinstance(second.outcome, Decision)


async def test_a_call_that_breaks_says_why(edge: FakeEdge, open_client: OpenClient) -> None:
    edge.breaks.append(InvalidRequest.field("sound", "has 3 bytes"))
    async with open_client().voice(user_id="u1") as voice:
        await voice.send(bytes(3))
        with pytest.raises(MoatError) as caught:
            await all_of(voice)
        assert list(caught.value.fields) == ["sound"]
        with pytest.raises(MoatError) as again:
            await voice.send(bytes(2))
        assert again.value.code is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_client_that_is_closed_ends_its_voices(open_client: OpenClient) -> None:
    client = open_client()
    async with client.voice(user_id="u1") as voice:
        await voice.send(bytes(2))
        await client.close()
        with pytest.raises(MoatError) as caught:
            await all_of(voice)
        assert caught.value.reason == "CLIENT_CLOSED"
