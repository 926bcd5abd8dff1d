"""Matrices in 8 bits, in blocks of 128 a row around a step of their own; and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BLOCK = 128
BITS = 8
_MIDDLE = 128


def narrowed(matrix: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """[width, blocks, 128] around 128, and a step a block, flat. `matrix`: [width, depth], depth a multiple of 128."""
    width, depth = matrix.shape
    blocks = matrix.reshape(width, depth // BLOCK, BLOCK)
    step = np.maximum(np.abs(blocks).max(axis=2), 1e-12) / 127
    values = np.clip(np.round(blocks / step[:, :, None]), -127, 127) + _MIDDLE
    return values.astype(np.uint8), step.astype(np.float32).reshape(-1)


def widened(values: NDArray[np.uint8], step: NDArray[np.float32]) -> NDArray[np.float32]:
    """[width, depth]: off by at most half a step."""
    width, blocks, _ = values.shape
    wide: NDArray[np.float32] = (values.astype(np.float32) - _MIDDLE) * step.reshape(width, blocks, 1)
    return wide.reshape(width, -1)
