"""From an encoded clip to its utterances. Runs in a worker process: see `worker`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.detection.sounds.wav import read
from services.runtime.sound import RATE
from services.runtime.sound.activity import FRAME, VoiceActivity, Weights
from services.runtime.sound.resampler import Resampler
from services.runtime.sound.utterances import Utterances


@dataclass(frozen=True, slots=True)
class Spoken:
    """An utterance."""

    start_millis: int
    """From the clip's beginning."""
    end_millis: int
    samples: bytes
    """16-bit signed little-endian, 16 kHz."""


@dataclass(frozen=True, slots=True)
class Clip:
    """What is kept of a clip."""

    duration_millis: int
    speech_millis: int
    rate: int
    """Samples a second as it came."""
    format: str
    """`wav` or `pcm`."""
    spoken: tuple[Spoken, ...]


def decode(data: bytes, media_type: str, *, most_seconds: float, weights: Weights) -> Clip:
    """Raises Refused, and nothing else, whatever the bytes are."""
    sound = read(data, media_type, most_seconds=most_seconds)
    resampler = Resampler(sound.rate)
    samples = np.concatenate((resampler.push(sound.samples), resampler.end()))
    # So that the last frame is whole.
    padded = np.pad(samples, (0, -len(samples) % FRAME))
    utterances = Utterances()
    found = [*utterances.push(VoiceActivity(weights).push(padded)), *utterances.end()]
    pcm = np.round(np.clip(samples, -1, 1) * np.float32(32767)).astype("<i2")
    return Clip(
        duration_millis=round(len(sound.samples) * 1000 / sound.rate),
        speech_millis=sum(one.speech for one in found) * FRAME * 1000 // RATE,
        rate=sound.rate,
        format=sound.format,
        spoken=tuple(
            Spoken(_millis(one.start), _millis(one.end), pcm[one.start * FRAME : one.end * FRAME].tobytes())
            for one in found
        ),
    )


def _millis(frame: int) -> int:
    return frame * FRAME * 1000 // RATE
