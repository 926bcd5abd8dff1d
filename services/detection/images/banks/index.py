"""An index of 256-bit hashes: everything within 31 bits of a query, exactly, in a millisecond among a million.

Multi-index hashing (Norouzi et al., 2012): cut the hashes into 16 pieces of 16 bits. Two hashes that differ in at most 31 bits
differ in at most one bit in some piece, since 16 pieces with two each would make 32. So it is enough to look, for each piece,
at the entries that have the query's value there or one of the 16 values one bit away: 272 buckets, and to count the bits of what
lies in them. Buckets are ranges of one array of entry numbers, so a million hashes take about 100 MB, the hashes included.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.detection.images.pdq import BITS, MOST_DISTANT

HASH_BYTES = BITS // 8
_PIECES = 16
_VALUES = 1 << 16
_NEAR = np.concatenate([[0], 1 << np.arange(16)]).astype(np.uint32)
"""What a piece's value is XORed with to get at it and its neighbours."""


class Found(NamedTuple):
    """Entries within reach, nearest first, then in the order of their numbers."""

    entries: NDArray[np.int64]
    distances: NDArray[np.int64]


class HashIndex:
    """Does not change once it is built, so that any thread may ask it."""

    def __init__(self, hashes: NDArray[np.uint8]) -> None:
        """`hashes`: [entries, 32], fewer than 2^32. About a second for a million."""
        hashes = np.ascontiguousarray(hashes)
        self._words = hashes.view(np.uint64)
        pieces = hashes.view(">u2").astype(np.uint16)
        count = len(hashes)
        self._starts = np.zeros((_PIECES, _VALUES + 1), dtype=np.uint32)
        """[pieces, values + 1]: where in `_entries` each bucket begins."""
        self._entries = np.empty((_PIECES, count), dtype=np.uint32)
        """[pieces, entries]: entry numbers, bucket after bucket."""
        for piece in range(_PIECES):
            values = pieces[:, piece]
            # Stable, for sixteen bits, is a radix sort: linear.
            self._entries[piece] = np.argsort(values, kind="stable")
            np.cumsum(np.bincount(values, minlength=_VALUES), out=self._starts[piece, 1:])

    def __len__(self) -> int:
        """How many entries there are."""
        return len(self._words)

    def within(self, query: bytes, distance: int = MOST_DISTANT) -> Found:
        """All entries at most `distance` bits (0 to 31) from a hash of 32 bytes. Raises ValueError for more than 31, where the
        pieces would not tell any more."""
        if not 0 <= distance <= MOST_DISTANT:
            raise ValueError(f"distance {distance}: only 0 to {MOST_DISTANT} can be answered exactly")
        candidates = self._candidates(query)
        words = np.frombuffer(query, dtype=np.uint64)
        distances = np.bitwise_count(self._words[candidates] ^ words).sum(axis=1, dtype=np.int64)
        near = distances <= distance
        # An entry lies in several buckets as a rule; only what is near is worth telling apart.
        entries, first = np.unique(candidates[near], return_index=True)
        distances = distances[near][first]
        order = np.argsort(distances, kind="stable")
        return Found(entries[order].astype(np.int64), distances[order])

    def _candidates(self, query: bytes) -> NDArray[np.uint32]:
        values = np.frombuffer(query, dtype=">u2").astype(np.uint32)[:, None] ^ _NEAR
        piece = np.arange(_PIECES)[:, None]
        begins = self._starts[piece, values].astype(np.int64)
        sizes = (self._starts[piece, values + 1] - begins).reshape(-1)
        begins = (begins + piece * len(self)).reshape(-1)
        # Each range written out: its begin, and on from there.
        ends = np.cumsum(sizes)
        places = np.arange(ends[-1]) + np.repeat(begins - ends + sizes, sizes)
        found: NDArray[np.uint32] = self._entries.reshape(-1)[places]
        return found
