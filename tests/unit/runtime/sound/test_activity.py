"""Voice activity: speech is told from what is none, whole or in pieces."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.detection.settings import DetectionSettings
from services.runtime.sound.activity import FRAME, VoiceActivity, Weights
from tools.speech.clips import RATE, silence, spoken

PUBLISHED = (
    0.02,
    0.023,
    0.865,
    0.995,
    1.0,
    0.999,
    0.999,
    0.999,
    0.999,
    0.999,
    0.998,
    0.994,
    0.996,
    0.997,
    0.994,
    0.998,
)
"""What the ONNX file of silero-vad 6.2.3 says of the same word."""
WEIGHTS = Weights.load(DetectionSettings().voice_activity)


def floats(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    return samples.astype(np.float32) / np.float32(32768)


def probabilities(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    return VoiceActivity(WEIGHTS).push(floats(samples))


def test_speech_is_speech() -> None:
    found = probabilities(
        np.concatenate([silence(1), spoken("Good evening everybody, nice to meet you all."), silence(1)])
    )
    assert np.max(found[:28]) < 0.2
    assert np.mean(found[35:-35] > 0.5) > 0.9
    assert np.max(found[-20:]) < 0.2


@pytest.mark.parametrize(
    "samples",
    [
        silence(3),
        np.zeros(3 * RATE, np.int16),
        (8000 * np.sin(np.arange(3 * RATE) * 2 * np.pi * 440 / RATE)).astype(np.int16),
        np.random.default_rng(3).normal(0, 3000, 3 * RATE).astype(np.int16),
    ],
    ids=["a room", "nothing", "a tone", "noise"],
)
def test_what_is_no_speech_is_none(samples: NDArray[np.int16]) -> None:
    assert np.max(probabilities(samples)[10:]) < 0.5


def test_it_says_what_the_published_network_says() -> None:
    """The weights here are half floats."""
    found = probabilities(spoken("Hello."))
    assert found == pytest.approx(PUBLISHED, abs=0.003)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 4000), min_size=1, max_size=10))
def test_pieces_say_the_same_as_the_whole(sizes: list[int]) -> None:
    samples = floats(spoken("You are a stupid worthless idiot."))[: sum(sizes)]
    activity = VoiceActivity(WEIGHTS)
    found = np.concatenate([activity.push(piece) for piece in np.split(samples, np.cumsum(sizes)[:-1])])
    assert found == pytest.approx(VoiceActivity(WEIGHTS).push(samples), abs=1e-5)
    assert len(found) == len(samples) // FRAME


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1, 1, width=32), max_size=3 * FRAME))
def test_it_is_a_probability_whatever_comes(values: list[float]) -> None:
    found = VoiceActivity(WEIGHTS).push(np.array(values, dtype=np.float32))
    assert np.all((found >= 0) & (found <= 1))
