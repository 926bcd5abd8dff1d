"""How likely somebody speaks, every 32 ms: the network of Silero VAD 6, in numpy.

It has 243,000 weights. In numpy that needs no other library, and no C that would hold the interpreter up for milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
FRAME = 512
"""Samples that one probability is about."""
_BEFORE = 64
"""Samples of the frame before that the network sees too."""
_AFTER = 64
"""Samples mirrored at a frame's end."""
_WINDOW, _HOP = 256, 128
_STRIDES = (1, 2, 2, 1)
_UNITS = 128
_BLOCK = 256
"""Frames computed together, at most: some 2 MB."""


@dataclass(frozen=True, slots=True)
class Weights:
    """The network, shared by all who use it."""

    convolutions: tuple[tuple[Floats, Floats], ...]
    """Of each layer: [3 * channels in, channels out], and [channels out]."""
    inputs: Floats
    """[128, 512]: to the gates in, forget, cell, out."""
    hidden: Floats
    """[128, 512]."""
    bias: Floats
    """[512]."""
    last: Floats
    """[128]."""
    last_bias: float

    @classmethod
    def load(cls, file: Path) -> Weights:
        """From an npz of half floats; see the model's card."""
        with np.load(file) as arrays:
            full = {name: np.ascontiguousarray(arrays[name], dtype=np.float32) for name in arrays.files}
        return cls(
            tuple((full[f"convolution_{n}"], full[f"convolution_{n}_bias"]) for n in range(len(_STRIDES))),
            full["inputs"],
            full["hidden"],
            full["bias"],
            full["last"],
            float(full["last_bias"][0]),
        )


class VoiceActivity:
    """One stream at 16 kHz."""

    def __init__(self, weights: Weights) -> None:
        """At its beginning."""
        self._weights = weights
        self._before: Floats = np.zeros(_BEFORE, dtype=np.float32)
        self._rest: Floats = np.zeros(0, dtype=np.float32)
        self._state: tuple[Floats, Floats] = (np.zeros(_UNITS, np.float32), np.zeros(_UNITS, np.float32))

    def push(self, samples: Floats) -> Floats:
        """More of the stream, finite and within -1 and 1. Returns a probability for each frame that is whole now."""
        held = np.concatenate((self._rest, samples))
        frames = len(held) // FRAME
        self._rest = held[frames * FRAME :]
        found = [self._block(held[at * FRAME : (at + _BLOCK) * FRAME]) for at in range(0, frames, _BLOCK)]
        return np.concatenate(found)[:frames] if found else np.zeros(0, dtype=np.float32)

    def _block(self, samples: Floats) -> Floats:
        """Of whole frames, and a rest that does not count."""
        count = len(samples) // FRAME
        stream = np.concatenate((self._before, samples[: count * FRAME]))
        self._before = stream[-_BEFORE:]
        seen = np.lib.stride_tricks.sliding_window_view(stream, _BEFORE + FRAME)[::FRAME]
        features = _spectra(np.pad(seen, ((0, 0), (0, _AFTER)), mode="reflect"))
        for (weights, bias), stride in zip(self._weights.convolutions, _STRIDES, strict=True):
            features = _convolved(features, weights, bias, stride)
        return self._remembered(features[:, 0] @ self._weights.inputs + self._weights.bias)

    def _remembered(self, gates: Floats) -> Floats:
        """[frames, 512] from the frames themselves → a probability each, by what was before."""
        hidden, cell = self._state
        all_hidden = np.empty((len(gates), _UNITS), dtype=np.float32)
        for at, own in enumerate(gates):
            total = own + hidden @ self._weights.hidden
            into, forget, fresh, out = total.reshape(4, _UNITS)
            cell = _sigmoid(forget) * cell + _sigmoid(into) * np.tanh(fresh)
            hidden = all_hidden[at] = _sigmoid(out) * np.tanh(cell)
        self._state = (hidden, cell)
        found: Floats = _sigmoid(np.maximum(all_hidden, 0) @ self._weights.last + np.float32(self._weights.last_bias))
        return found


_HANN = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / _WINDOW)).astype(np.float32)


def _spectra(frames: Floats) -> Floats:
    """[frames, 640] → [frames, 4, 129]: how much there is of each frequency."""
    windows = np.lib.stride_tricks.sliding_window_view(frames, _WINDOW, axis=1)[:, ::_HOP]
    return np.abs(np.fft.rfft(windows * _HANN, axis=2)).astype(np.float32)


def _convolved(values: Floats, weights: Floats, bias: Floats, stride: int) -> Floats:
    """[frames, times, channels] → [frames, times / stride, channels], three times at once, nothing below zero."""
    padded = np.pad(values, ((0, 0), (1, 1), (0, 0)))
    times = values.shape[1]
    three = np.concatenate([padded[:, at : at + times : stride] for at in range(3)], axis=2)
    convolved: Floats = np.maximum(three @ weights + bias, 0)
    return convolved


def _sigmoid(values: Any) -> Any:  # noqa: ANN401 - numpy's scalars and arrays of one kind are two types
    return np.float32(0.5) * (np.float32(1) + np.tanh(np.float32(0.5) * values))
