"""Sound is the same sound at another rate, however it came in pieces."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.runtime.sound import RATE
from services.runtime.sound.resampler import Resampler

RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


def tone(rate: int, hertz: float, seconds: float = 1.0) -> NDArray[np.float32]:
    return np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate).astype(np.float32)


def whole(samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    resampler = Resampler(rate)
    return np.concatenate((resampler.push(samples), resampler.end()))


@pytest.mark.parametrize("rate", RATES)
def test_a_tone_stays_what_it_is_and_as_long(rate: int) -> None:
    found = whole(tone(rate, 440), rate)
    assert len(found) == pytest.approx(RATE, abs=2)
    middle = slice(500, -500)
    assert found[middle] == pytest.approx(tone(RATE, 440)[: len(found)][middle], abs=0.002)


@pytest.mark.parametrize("rate", [8001, 15999, 47999])
def test_an_odd_rate_is_taken_for_one_that_is_as_good_as_the_same(rate: int) -> None:
    found = whole(tone(rate, 440), rate)
    assert len(found) == pytest.approx(RATE, rel=0.001)
    spectrum = np.abs(np.fft.rfft(found[: RATE // 2]))
    assert np.argmax(spectrum) == 220


@pytest.mark.parametrize("rate", [24000, 44100, 48000])
def test_what_16_khz_cannot_hold_is_gone_and_does_not_fold_back(rate: int) -> None:
    assert np.abs(whole(tone(rate, 9500), rate)[500:-500]).max() < 0.001


@settings(max_examples=60, deadline=None)
@given(st.sampled_from((*RATES, 8001, 47999)), st.lists(st.integers(0, 3000), max_size=8))
def test_pieces_make_the_same_sound_as_the_whole(rate: int, sizes: list[int]) -> None:
    samples = np.random.default_rng(1).uniform(-1, 1, sum(sizes)).astype(np.float32)
    resampler = Resampler(rate)
    pieces = np.split(samples, np.cumsum(sizes)[:-1]) if sizes else []
    found = np.concatenate([*(resampler.push(piece) for piece in pieces), resampler.end()])
    assert found == pytest.approx(whole(samples, rate), abs=1e-5)
    assert len(found) == pytest.approx(len(samples) * RATE / rate, rel=0.001, abs=2)
