"""From any rate of samples to 16 kHz, a stretch at a time or all at once, with the same result."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from services.runtime.sound import RATE

Samples = NDArray[np.float32]
_CROSSINGS = 16
"""Zero crossings of the sinc on either side: enough that what folds back is some 70 dB down."""
_PASSED = 0.94
"""How much of the narrower band is passed; the rest is where the filter falls."""
_BETA = 7.0
_MOST_FILTERS = 640
"""Enough for every rate in use. An odd one is taken for the nearest that they can do, less than a thousandth
away."""


class Resampler:
    """One stream of one channel. What it gives out lags by the filter's half, some two milliseconds, until `end`."""

    def __init__(self, rate: int) -> None:
        """`rate` is 1 or more samples a second."""
        step = Fraction(rate, RATE).limit_denominator(_MOST_FILTERS)
        self._up, self._down = step.denominator, step.numerator
        self._half = math.ceil(_CROSSINGS * max(1.0, rate / RATE))
        self._filters = _filters(self._up, self._half, min(1.0, RATE / rate)) if rate != RATE else None
        self._held: Samples = np.zeros(self._half - 1, dtype=np.float32)
        self._first = -(self._half - 1)
        """The place in the stream of the first sample that is held."""
        self._came = 0
        self._gave = 0

    def push(self, samples: Samples) -> Samples:
        """More of the stream; returns what can be said of it by now."""
        self._came += len(samples)
        if self._filters is None:
            return samples
        self._held = np.concatenate((self._held, samples))
        known = self._first + len(self._held) - self._half
        # Output n stands at n * down / up of the input, and needs `half` samples after that.
        return self._out(max(self._gave, -(-known * self._up // self._down)), self._filters)

    def end(self) -> Samples:
        """The rest: what follows is silence."""
        if self._filters is None:
            return np.zeros(0, dtype=np.float32)
        self._held = np.concatenate((self._held, np.zeros(self._half + 1, dtype=np.float32)))
        return self._out(-(-self._came * self._up // self._down), self._filters)

    def _out(self, until: int, filters: Samples) -> Samples:
        count = until - self._gave
        out = np.zeros(max(0, count), dtype=np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(self._held, 2 * self._half) if count > 0 else None
        for turn in range(min(self._up, count)):
            place, phase = divmod((self._gave + turn) * self._down, self._up)
            rows = -(-(count - turn) // self._up)
            assert windows is not None
            # Every `up` outputs the same filter comes again, `down` inputs further on.
            begin = place - (self._half - 1) - self._first
            out[turn :: self._up] = windows[begin :: self._down][:rows] @ filters[phase]
        self._gave += len(out)
        self._forget()
        return out

    def _forget(self) -> None:
        needed = self._gave * self._down // self._up - (self._half - 1)
        drop = min(max(0, needed - self._first), len(self._held))
        self._held = self._held[drop:]
        self._first += drop


def _filters(phases: int, half: int, band: float) -> Samples:
    """[phases, 2 * half]: a windowed sinc, moved by a share of a sample more in each; each sums to one."""
    taps = np.arange(-half + 1, half + 1)[None, :] - np.arange(phases)[:, None] / phases
    cut = band * _PASSED
    window = np.i0(_BETA * np.sqrt(np.maximum(0.0, 1.0 - (taps / half) ** 2)))
    found = np.sinc(taps * cut) * window
    normal: Samples = (found / found.sum(axis=1, keepdims=True)).astype(np.float32)
    return normal
