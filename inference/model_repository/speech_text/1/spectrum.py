"""What Whisper sees of sound: 80 mel bands a hundredth of a second, in decibels, as its paper has it."""

import numpy as np

RATE = 16_000
LONGEST = 30
"""Seconds that the model can look at."""
BANDS = 80
_WINDOW, _HOP = 400, 160
_SOFTEST = 1e-10
_DEPTH = 8.0
"""Tens of decibels below the loudest that are told apart."""
_LINEAR_UNTIL = 1000.0
_HERTZ_A_MEL = 200 / 3
_LOG_STEP = np.log(6.4) / 27


def log_mel(samples, seconds):
    """[80, frames] of float samples, and silence until there are `seconds`: a frame each 10 ms, an even number of them."""
    frames = int(seconds * RATE / _HOP) // 2 * 2
    heard = min(frames, len(samples) // _HOP + 2)
    padded = np.pad(samples, (_WINDOW // 2, heard * _HOP + _WINDOW))[: (heard - 1) * _HOP + _WINDOW]
    windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    power = np.abs(np.fft.rfft(windows * _HANN, axis=1)) ** 2
    found = np.full((BANDS, frames), np.log10(_SOFTEST), dtype=np.float32)
    found[:, :heard] = np.log10(np.maximum(_FILTERS @ power.T, _SOFTEST))
    found = np.maximum(found, found.max() - _DEPTH)
    return ((found + 4) / 4).astype(np.float32)


def _to_hertz(mels):
    """Slaney's scale: linear to 1000 Hz (15 mels), logarithmic above."""
    corner = _LINEAR_UNTIL / _HERTZ_A_MEL
    return np.where(
        mels < corner, mels * _HERTZ_A_MEL, _LINEAR_UNTIL * np.exp(_LOG_STEP * (np.maximum(mels, corner) - corner))
    )


def _filters():
    """[80, 201]: triangles over the frequencies of a window, each of area one."""
    top = _LINEAR_UNTIL / _HERTZ_A_MEL + np.log(RATE / 2 / _LINEAR_UNTIL) / _LOG_STEP
    edges = _to_hertz(np.linspace(0.0, top, BANDS + 2))
    low, middle, high = (edges[at : at + BANDS, None] for at in range(3))
    frequencies = np.fft.rfftfreq(_WINDOW, 1 / RATE)
    rising = (frequencies - low) / (middle - low)
    falling = (high - frequencies) / (high - middle)
    return np.maximum(0, np.minimum(rising, falling)) * (2 / (high - low))


_FILTERS = _filters()
_HANN = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / _WINDOW)
