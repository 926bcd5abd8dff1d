"""Sentences, silences and conversations as samples and as files, the same every time."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from tools.launcher.home import ROOT

RATE = 16_000
"""Samples a second."""


@cache
def spoken(text: str) -> NDArray[np.int16]:
    """`text`, at 16 kHz."""
    command = [sys.executable, "-m", "tools.speech.synthesis", text]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    (rate,) = struct.unpack_from("<I", said)
    whole = np.frombuffer(said, dtype="<i2", offset=4)
    places = np.arange(len(whole) * RATE // rate) * rate / RATE
    resampled: NDArray[np.int16] = np.interp(places, np.arange(len(whole)), whole).astype(np.int16)
    return resampled


def silence(seconds: float) -> NDArray[np.int16]:
    """With the soft noise of a room."""
    return np.random.default_rng(7).normal(0, 20, int(seconds * RATE)).astype(np.int16)


def conversation(texts: Sequence[str], *, pause: float = 1.0) -> NDArray[np.int16]:
    """One after the other, with a pause before each and at the end."""
    parts = [part for text in texts for part in (silence(pause), spoken(text))]
    return np.concatenate([*parts, silence(pause)])


def wav(samples: NDArray[np.generic], rate: int = RATE, channels: int = 1) -> bytes:
    """As a file: integers of 8 or 16 bits, or floats of 32."""
    kind = 3 if samples.dtype.kind == "f" else 1
    size, data = samples.dtype.itemsize, samples.tobytes()
    header = struct.pack("<HHIIHH", kind, channels, rate, rate * channels * size, channels * size, size * 8)
    body = b"WAVEfmt " + struct.pack("<I", len(header)) + header + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body
