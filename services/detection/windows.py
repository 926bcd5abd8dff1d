"""Texts as the token windows that the deep tier reads: short ones are one, long ones several that overlap a little."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from services.detection.emoji import spell_out

LENGTHS = (16, 32, 48, 96)
"""Token counts that windows are padded to: requests of equal shape join one batch, short ones stay cheap."""
_MOST_WINDOWS = 8
"""Of a text: about 2,000 characters. What stands behind them is not read by the deep tier."""
_OVERLAP = 16
_ENDS = 2


class Windows:
    """A tokenizer and the cutting."""

    def __init__(self, tokenizer: Path, lengths: Sequence[int] = LENGTHS) -> None:
        """`tokenizer` is its file. `lengths` rise; the last one is what a window holds at most."""
        self.lengths = lengths
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    def of(self, texts: Sequence[str]) -> list[list[list[int]]]:
        """For each normalised text the ids of its windows, each between the marks for begin and end."""
        encodings = self._tokenizer.encode_batch_fast([spell_out(text) for text in texts])
        return [_cut(encoding.ids, self.lengths[-1]) for encoding in encodings]

    def length(self, window: Sequence[int]) -> int:
        """To how many tokens it is padded."""
        return next(length for length in self.lengths if len(window) <= length)


def padded(windows: Sequence[list[int]], length: int) -> NDArray[np.int64]:
    """[windows, length], filled up with 0."""
    ids = np.zeros((len(windows), length), dtype=np.int64)
    for row, found in enumerate(windows):
        ids[row, : len(found)] = found
    return ids


def _cut(ids: list[int], longest: int) -> list[list[int]]:
    if len(ids) <= longest:
        return [ids]
    begin, *inside, end = ids
    room = longest - _ENDS
    starts = range(0, max(1, len(inside) - _OVERLAP), room - _OVERLAP)
    return [[begin, *inside[start : start + room], end] for start in starts][:_MOST_WINDOWS]
