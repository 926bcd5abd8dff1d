"""A clip is its utterances, each where it was said."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.detection.settings import DetectionSettings
from services.detection.sounds.decode import Clip, decode
from services.runtime.sound.activity import Weights
from services.runtime.sound.resampler import Resampler
from tools.speech.clips import RATE, conversation, silence, spoken, wav

WEIGHTS = Weights.load(DetectionSettings().voice_activity)
TEXTS = ("Good evening everybody, nice to meet you all.", "You are a stupid worthless idiot.")


def clip(data: bytes, media_type: str = "") -> Clip:
    return decode(data, media_type, most_seconds=90, weights=WEIGHTS)


def test_each_utterance_stands_where_it_was_said() -> None:
    found = clip(wav(conversation(TEXTS)))
    first, second = (len(spoken(text)) * 1000 // RATE for text in TEXTS)
    assert (found.rate, found.format) == (RATE, "wav")
    assert found.duration_millis == pytest.approx(3000 + first + second, abs=2)
    places = [place for one in found.spoken for place in (one.start_millis, one.end_millis)]
    assert places == pytest.approx([1000, 1000 + first, 2000 + first, 2000 + first + second], abs=300)
    assert found.speech_millis == pytest.approx(first + second, rel=0.2)
    for one in found.spoken:
        assert len(one.samples) / 32 == pytest.approx(one.end_millis - one.start_millis, abs=1)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_the_rate_it_came_in_does_not_move_it(rate: int) -> None:
    samples = conversation(TEXTS).astype(np.float32) / 32768
    # The resampler makes 16 kHz of anything; told that 16 kHz are something else, it makes anything of 16 kHz.
    other = np.interp(np.arange(len(samples) * rate // RATE) * RATE / rate, np.arange(len(samples)), samples)
    found = clip(wav(other.astype(np.float32), rate=rate))
    expected = clip(wav(samples))
    assert found.rate == rate
    assert len(found.spoken) == len(expected.spoken)
    for one, as_expected in zip(found.spoken, expected.spoken, strict=True):
        assert one.start_millis == pytest.approx(as_expected.start_millis, abs=200)
        assert one.end_millis == pytest.approx(as_expected.end_millis, abs=200)


def test_a_clip_without_speech_has_no_utterance() -> None:
    found = clip(wav(silence(2)))
    assert (found.spoken, found.speech_millis, found.duration_millis) == ((), 0, 2000)


def test_one_sample_is_a_clip() -> None:
    assert clip(wav(np.zeros(1, np.int16))).spoken == ()


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=2, max_size=6000), st.sampled_from((8000, 11111, 44100, 48000)))
def test_any_bytes_make_a_clip(data: bytes, rate: int) -> None:
    found = clip(data, f"audio/pcm;rate={rate}")
    assert all(0 <= one.start_millis < one.end_millis <= found.duration_millis + 32 for one in found.spoken)
    assert Resampler(rate).push(np.zeros(0, np.float32)).size == 0
