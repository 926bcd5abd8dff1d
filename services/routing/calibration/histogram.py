"""Scores counted in fixed steps, and how far two such counts are apart."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate

EDGES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
"""Finer where most scores are. A count has one step more than there are edges."""
STEPS = len(EDGES) + 1
WATCH, ACT = 0.1, 0.25
"""The usual reading of a PSI: below the first nothing has happened, from the second on it is another population."""
_NOTHING_SEEN = 0.5
"""Added to each step, so that a step that nobody has been in is rare and not impossible."""


def step_of(score: float) -> int:
    """The step that a score falls into."""
    return bisect_right(EDGES, score)


def counted(scores: Iterable[float]) -> list[int]:
    """[STEPS]"""
    counts = [0] * STEPS
    for score in scores:
        counts[step_of(score)] += 1
    return counts


def psi(expected: Sequence[int], seen: Sequence[int]) -> float:
    """Population stability index: 0 for the same shares. Of two samples of n and m of one population it is some 13 (1/n + 1/m) by
    chance alone, so a few hundred of each are needed."""
    total = 0.0
    for before, now in zip(_shares(expected), _shares(seen), strict=True):
        total += (now - before) * math.log(now / before)
    return total


def ks(expected: Sequence[int], seen: Sequence[int]) -> float:
    """The greatest difference of the two cumulative shares at an edge, 0 to 1. 0 where there is nothing."""
    before, now = sum(expected), sum(seen)
    if not before or not now:
        return 0.0
    pairs = zip(accumulate(expected), accumulate(seen), strict=True)
    return max(abs(one / before - other / now) for one, other in pairs)


def _shares(counts: Sequence[int]) -> list[float]:
    whole = sum(counts) + _NOTHING_SEEN * len(counts)
    return [(count + _NOTHING_SEEN) / whole for count in counts]
