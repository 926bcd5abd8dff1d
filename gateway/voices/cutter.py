"""From the sound of a voice, as it comes, to its utterances. Computes: run it in a thread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.runtime.sound import RATE
from services.runtime.sound.activity import FRAME, VoiceActivity, Weights
from services.runtime.sound.resampler import Resampler
from services.runtime.sound.utterances import Utterance, Utterances

MEDIA_TYPE = f"audio/pcm;rate={RATE}"
"""What a cut is."""
_FULL_SCALE = np.float32(32767)


@dataclass(frozen=True, slots=True)
class Cut:
    """An utterance, and where it stands in the stream."""

    start_millis: int
    end_millis: int
    sound: bytes
    """16-bit, 16 kHz, at most 28 s."""


class Cutter:
    """Of one voice. Holds no more than the utterance that is being spoken."""

    def __init__(self, rate: int, weights: Weights) -> None:
        """`rate` is the samples a second that come."""
        self._resampler = Resampler(rate)
        self._activity = VoiceActivity(weights)
        self._utterances = Utterances()
        self._held: NDArray[np.float32] = np.zeros(0, dtype=np.float32)
        self._first = 0
        """The frame that begins with the first sample that is held."""

    def push(self, sound: bytes) -> list[Cut]:
        """More of it, whole 16-bit samples; returns the utterances that ended."""
        samples = np.frombuffer(sound, dtype="<i2").astype(np.float32) / np.float32(32768)
        return self._take(self._resampler.push(samples))

    def end(self) -> list[Cut]:
        """The rest."""
        rest = self._resampler.end()
        missing = -(len(self._held) + len(rest)) % FRAME
        cuts = self._take(np.concatenate((rest, np.zeros(missing, dtype=np.float32))))
        return [*cuts, *(self._cut(one) for one in self._utterances.end())]

    def _take(self, samples: NDArray[np.float32]) -> list[Cut]:
        self._held = np.concatenate((self._held, samples))
        cuts = [self._cut(one) for one in self._utterances.push(self._activity.push(samples))]
        drop = self._utterances.needed_from - self._first
        self._held = self._held[drop * FRAME :]
        self._first += drop
        return cuts

    def _cut(self, one: Utterance) -> Cut:
        samples = self._held[(one.start - self._first) * FRAME : (one.end - self._first) * FRAME]
        pcm = np.round(np.clip(samples, -1, 1) * _FULL_SCALE).astype("<i2")
        return Cut(_millis(one.start), _millis(one.end), pcm.tobytes())


def _millis(frame: int) -> int:
    return frame * FRAME * 1000 // RATE
