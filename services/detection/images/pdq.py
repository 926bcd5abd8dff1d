"""PDQ: 256 bits that stay nearly the same when a picture is resized, compressed anew or slightly changed.

Written after the algorithm's description and reference (ThreatExchange, Meta), and bit-equal to it on the pictures in its
tests. In numpy and not by the package `pdqhash`, which comes as source only and would make a C++ compiler a condition of
setting up. The reference blurs twice in both directions and keeps 64 x 64 points; all that is linear, so that each direction
is one matrix here, made once for a size.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BITS = 256
MOST_DISTANT = 31
"""Bits in which two hashes of one picture may differ, by PDQ's own advice."""
GOOD_QUALITY = 50
"""Below, a picture has too little structure: its hash is like many others'."""
_GRID = 64
_WAVES = 16
_LUMA = np.asarray((0.299, 0.587, 0.114), dtype=np.float32)
_SMALLEST = 5
_PASSES = 2


class Pdq(NamedTuple):
    """A picture's hash."""

    hash: bytes
    """32 bytes, most significant bit first."""
    quality: int
    """0 to 100."""


def pdq(pixels: NDArray[np.uint8]) -> Pdq:
    """Of RGB pixels [rows, columns, 3]. What is smaller than five pixels has no structure: zeros, of quality 0."""
    rows, columns, _ = pixels.shape
    if min(rows, columns) < _SMALLEST:
        return Pdq(bytes(BITS // 8), 0)
    luma = pixels.astype(np.float32) @ _LUMA
    points = luma if rows == columns == _GRID else _blur(rows) @ luma @ _blur(columns).T
    waves = _dct() @ points @ _dct().T
    flat = waves.reshape(-1)
    # The lower of the two middle values, as the reference takes it.
    middle = np.partition(flat, BITS // 2 - 1)[BITS // 2 - 1]
    # The first wave is the last bit.
    return Pdq(np.packbits((flat > middle)[::-1]).tobytes(), _quality(points))


def distance(one: bytes, other: bytes) -> int:
    """Bits in which two hashes differ."""
    return (int.from_bytes(one) ^ int.from_bytes(other)).bit_count()


def _quality(points: NDArray[np.float32]) -> int:
    """How much structure there is: whole percents of the differences between neighbours, added up."""
    down = np.trunc(np.diff(points, axis=0) * 100 / 255)
    across = np.trunc(np.diff(points, axis=1) * 100 / 255)
    return min(100, int(np.abs(down).sum() + np.abs(across).sum()) // 90)


@lru_cache(maxsize=64)
def _blur(size: int) -> NDArray[np.float32]:
    """[64, size]: two box filters over `size` points, of which the 64 in the middles of equal parts are kept."""
    window = (size + 2 * _GRID - 1) // (2 * _GRID)
    ahead = (window + 2) // 2
    index = np.arange(size)
    first = np.maximum(0, index + ahead - window)
    last = np.minimum(size, index + ahead)
    box = (index >= first[:, None]) & (index < last[:, None])
    weights = box / (last - first)[:, None]
    kept = ((np.arange(_GRID) + 0.5) * size / _GRID).astype(int)
    found: NDArray[np.float64] = weights[kept]
    for _ in range(_PASSES - 1):
        found = found @ weights
    return found.astype(np.float32)


@lru_cache(maxsize=1)
def _dct() -> NDArray[np.float32]:
    """[16, 64]: the waves of lowest frequency but the constant one."""
    wave = np.arange(1, _WAVES + 1)[:, None]
    point = np.arange(_GRID)[None, :]
    scale = np.sqrt(2 / _GRID)
    return np.asarray(scale * np.cos(np.pi / 2 / _GRID * wave * (2 * point + 1)), dtype=np.float32)
