"""Character n-grams of many lines at once, hashed into buckets: what the fast tier looks at.

One rolling polynomial over the code points of all lines together, in numpy; a line's n-grams do not depend on its
neighbours. (Feature hashing: Weinberger et al., 2009.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BUCKET_BITS = 20
"""Of weights that are trained now; what is served says how many it has."""
SIZES = (1, 2, 3, 4, 5)
"""Lengths of the n-grams. A space stands on both sides of a line, so that short words are whole n-grams too."""
MAX_CHARACTERS = 1000
"""What a line says it says early; work per line is bounded."""
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xD6E8FEB86659FD93)


@dataclass(frozen=True, slots=True)
class Grams:
    """N-grams of a list of lines."""

    buckets: NDArray[np.int64]
    """Of all n-grams, line after line."""
    starts: NDArray[np.int64]
    """Where each line's begin."""
    positions: NDArray[np.int64]
    """Where in its line (the leading space counted) each n-gram begins."""
    sizes: NDArray[np.int64]
    """How many characters each n-gram has."""


def grams(lines: Sequence[str], bits: int = BUCKET_BITS) -> Grams:
    """N-grams of normalised lines, in 2 ** bits buckets. Every line has at least two."""
    shift = np.uint64(64 - bits)
    padded = [f" {line[:MAX_CHARACTERS]} " for line in lines]
    lengths = np.fromiter((len(line) for line in padded), dtype=np.int64, count=len(padded))
    joined = "".join(padded).encode("utf-32-le", "surrogatepass")
    points = np.frombuffer(joined, dtype=np.uint32).astype(np.uint64) + np.uint64(1)
    line_of = np.repeat(np.arange(len(padded)), lengths)
    ends = np.cumsum(lengths)
    left = ends[line_of] - np.arange(len(points))
    hashes = np.zeros(len(points), dtype=np.uint64)
    buckets, owners, begins, sizes = [], [], [], []
    first = ends - lengths
    for size in range(1, SIZES[-1] + 1):
        reach = len(points) - size + 1
        if reach <= 0:
            break
        hashes = hashes[:reach] * _MULTIPLIER + points[size - 1 :]
        if size not in SIZES:
            continue
        inside = np.flatnonzero(left[:reach] >= size)
        mixed = (hashes[inside] + np.uint64(size)) * _MIX
        mixed ^= mixed >> np.uint64(32)
        buckets.append(((mixed * _MULTIPLIER) >> shift).astype(np.int64))
        owners.append(line_of[inside])
        begins.append(inside - first[line_of[inside]])
        sizes.append(np.full(len(inside), size, dtype=np.int64))
    owner = np.concatenate(owners)
    order = np.argsort(owner, kind="stable")
    counts = np.bincount(owner, minlength=len(padded))
    starts = np.concatenate(([0], np.cumsum(counts)[:-1])).astype(np.int64)
    return Grams(np.concatenate(buckets)[order], starts, np.concatenate(begins)[order], np.concatenate(sizes)[order])
