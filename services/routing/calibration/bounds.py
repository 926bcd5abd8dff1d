"""What a count of mistakes says of the rate behind it: Clopper and Pearson's exact bounds, without any approximation."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import accumulate

CONFIDENCE = 0.95
"""Of one-sided bounds; an interval of two of them holds 90 %."""
_HALVINGS = 60


def upper_bound(hits: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """The greatest rate at which so few hits are not yet surprising: the true one is above it in at most `1 - confidence` of
    samples. 1 where there are no trials. Raises ValueError for more hits than trials."""
    _check(hits, trials)
    if hits == trials:
        return 1.0
    low, high = hits / trials, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if at_most(hits, trials, middle) <= 1 - confidence else (middle, high)
    return high


def lower_bound(hits: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """The same from below; 0 where there are no trials."""
    _check(hits, trials)
    return 1.0 - upper_bound(trials - hits, trials, confidence)


def is_surely_above(hits: int, trials: int, rate: float, confidence: float = CONFIDENCE) -> bool:
    """Whether the lower bound is above `rate`, for a fraction of the bound's work."""
    _check(hits, trials)
    return hits > trials * rate and 1.0 - at_most(hits - 1, trials, rate) < 1 - confidence


def most_hits(trials: int, rate: float, confidence: float = CONFIDENCE) -> int:
    """The most hits whose upper bound is still within `rate`; -1 where even none are too many, for want of trials."""
    most = -1
    for hits, chance in enumerate(accumulate(_chances(trials, rate))):
        if chance > 1 - confidence:
            break
        most = hits
    return most


def trials_needed(rate: float, confidence: float = CONFIDENCE) -> int:
    """The fewest trials that can show a rate to be within `rate`, if there is no hit among them. 299 for 1 % at 95 %."""
    return math.ceil(math.log(1 - confidence) / math.log1p(-rate))


def at_most(hits: int, trials: int, rate: float) -> float:
    """The chance of at most so many hits."""
    if 2 * hits > trials:
        # The other end has fewer terms.
        return 1.0 - at_most(trials - hits - 1, trials, 1 - rate) if hits < trials else 1.0
    return min(1.0, math.fsum(chance for _, chance in zip(range(hits + 1), _chances(trials, rate), strict=False)))


def _chances(trials: int, rate: float) -> Iterator[float]:
    """Of 0, 1, 2 … hits."""
    if rate >= 1:
        yield from (float(hits == trials) for hits in range(trials + 1))
        return
    if rate <= 0:
        yield from (float(hits == 0) for hits in range(trials + 1))
        return
    log, against = math.log(rate), math.log1p(-rate)
    whole = math.lgamma(trials + 1)
    for hits in range(trials + 1):
        ways = whole - math.lgamma(hits + 1) - math.lgamma(trials - hits + 1)
        yield math.exp(ways + hits * log + (trials - hits) * against)


def _check(hits: int, trials: int) -> None:
    if not 0 <= hits <= trials:
        raise ValueError(f"{hits} hits of {trials} trials cannot be")
