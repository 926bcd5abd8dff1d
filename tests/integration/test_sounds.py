"""Clips through the whole mesh: edge, gateway, decoder, voice activity, Whisper on Triton, the text path, policy, record."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import grpc
import pytest
from moat_client import Moat, MoatError

from services.runtime.topology import Topology
from tests.support.patience import whole
from tools.launcher.control import Mesh
from tools.speech.clips import conversation, silence, spoken, wav

KIND, CRUEL = "Good evening everybody, nice to meet you all.", "You are a stupid worthless idiot."
MILLIS = len(spoken(KIND)) // 16


@pytest.fixture
async def moat(mesh: Mesh) -> AsyncIterator[Moat]:
    edge = Topology.load(mesh.home.topology).edge
    token = mesh.token(tenant="demo", roles=("game_server", "moderator"))
    async with Moat(f"localhost:{edge.port}", token=token, ca_file=edge.ca_file, timeout=20) as opened:
        yield opened


def someone() -> str:
    return f"user-{uuid.uuid4()}"


async def test_a_kind_clip_is_allowed_and_its_record_says_what_was_heard(moat: Moat) -> None:
    data = wav(conversation([KIND]))
    decision = await whole(lambda: moat.moderate_audio(data, user_id=someone(), channel_id="lobby"))
    assert (decision.outcome, decision.degraded, decision.findings) == ("ALLOW", (), ())
    found = await moat.get_decision(decision.decision_id, include_content=True)
    signals = found.decision.signals
    assert (signals.audio.format, signals.audio.sample_rate) == ("wav", 16000)
    assert signals.audio.duration_millis == pytest.approx(2000 + MILLIS, abs=2)
    assert {(tier.name, tier.reason) for tier in signals.tiers} == {
        ("voice_activity", "always"),
        ("speech_text", "always"),
    }
    (place,) = signals.carried.places
    assert (place.start, place.end) == (0, signals.carried.length)
    assert place.interval.start_millis == pytest.approx(1000, abs=300)
    assert place.interval.end_millis == pytest.approx(1000 + MILLIS, abs=300)
    assert 0.5 < place.confidence <= 1
    assert "nice to meet you all" in found.words[0].text.lower()
    assert not found.content.audio.data
    stages = {stage.name for timing in found.decision.timings for stage in timing.timing.stages}
    assert {"decode", "triton", "words"} <= stages


async def test_what_is_said_is_decided_by_its_words_and_the_finding_says_when(moat: Moat) -> None:
    data = wav(conversation([KIND, CRUEL]))
    decision = await whole(lambda: moat.moderate_audio(data, user_id=someone()))
    assert decision.outcome in ("DROP", "HOLD")
    assert decision.display_text == ""
    (begin,) = {finding.interval[0] for finding in decision.findings if finding.interval}
    assert begin == pytest.approx(2 + MILLIS / 1000, abs=0.4)


async def test_a_clip_without_speech_is_allowed_and_nobody_was_asked_about_it(moat: Moat) -> None:
    decision = await whole(lambda: moat.moderate_audio(wav(silence(2)), user_id=someone()))
    assert (decision.outcome, decision.degraded) == ("ALLOW", ())
    signals = (await moat.get_decision(decision.decision_id)).decision.signals
    assert ("speech_text", "decided") in {(tier.name, tier.reason) for tier in signals.tiers}
    assert not signals.HasField("carried")


async def test_sound_without_a_header_is_heard_too(moat: Moat) -> None:
    pcm = conversation([CRUEL]).tobytes()
    decision = await whole(lambda: moat.moderate_audio(pcm, user_id=someone(), media_type="audio/pcm;rate=16000"))
    assert decision.outcome in ("DROP", "HOLD")


@pytest.mark.parametrize(
    ("data", "media_type", "reason", "field"),
    [
        (b"OggS" + bytes(100), "", "SOUND_FORMAT", "content.audio.data"),
        (wav(silence(1))[:-10], "", "SOUND_DAMAGED", "content.audio.data"),
        (bytes(91 * 2 * 8000), "audio/pcm;rate=8000", "SOUND_TOO_LONG", "content.audio.data"),
        (bytes(100), "audio/mpeg", "SOUND_FORMAT", "content.audio.media_type"),
    ],
    ids=["ogg", "cut off", "too long", "mp3"],
)
async def test_what_is_no_clip_is_refused_with_a_remedy(
    moat: Moat, data: bytes, media_type: str, reason: str, field: str
) -> None:
    with pytest.raises(MoatError) as caught:
        await moat.moderate_audio(data, user_id=someone(), media_type=media_type)
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.reason == reason
    assert list(caught.value.fields) == [field]


async def test_nothing_that_was_said_is_at_rest_in_the_clear(mesh: Mesh, moat: Moat) -> None:
    data = wav(spoken("The secret word is marmalade."))
    decision = await whole(lambda: moat.moderate_audio(data, user_id=someone()))
    found = await moat.get_decision(decision.decision_id, include_content=True)
    assert "marmalade" in found.words[0].text.lower()
    files: list[Path] = [path for path in mesh.home.folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert not [path for path in files if b"marmalade" in path.read_bytes().lower()]


async def test_lines_are_decided_while_clips_are_heard(moat: Moat) -> None:
    data = wav(conversation([KIND, KIND]))
    clips = [whole(lambda: moat.moderate_audio(data, user_id=someone())) for _ in range(4)]
    lines = [whole(partial(moat.moderate, f"good evening number {n}", user_id=someone())) for n in range(12)]
    decisions = await asyncio.gather(*clips, *lines)
    assert {decision.outcome for decision in decisions} == {"ALLOW"}
    assert {decision.degraded for decision in decisions} == {()}
