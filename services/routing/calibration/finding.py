"""The lowest limit that keeps false positives within a target, as far as labels can show it. Pure.

Of `n` benign texts let `k` be the most that a limit may catch for Clopper and Pearson's bound to stay within the target: it hangs
on `n` and the target, not on any score. The limit goes just above the score that is number `k + 1` from the top. Trying limits
from high to low and stopping at the first that is not shown to hold ends at this same place, and needs no correction for having
tried several: the chance that the rate above that score exceeds the target is exactly the bound's own, whatever the scores'
distribution, and ties only lower it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from services.routing.calibration.bounds import CONFIDENCE, lower_bound, most_hits, trials_needed, upper_bound

LOWEST = 0.01
"""No limit goes below: a score that is absent is 0, and of what scores less than this hardly anything is of its category."""
FEWEST_POSITIVES = 5
"""Labels of the category, below which a limit is not lowered: nothing shows what that would find."""
_STEPS = 1_000_000
"""Limits are written with six digits, rounded up."""


class Change(StrEnum):
    """What becomes of a limit."""

    RAISED = "raised"
    LOWERED = "lowered"
    KEPT = "kept"
    """The policy's own holds, and lowering it is not wanted or not shown to find anything."""
    TOO_FEW = "too few labels"
    UNREACHABLE = "no limit holds"
    """More benign texts than may be caught have the highest score there is."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of one limit."""

    own: float
    """The policy's number."""
    target: float
    """The share of benign texts that it may catch."""
    at_least: float = 0.0
    """The value of a less sure limit on the same category: it stays the less sure one."""
    may_be_lowered: bool = True
    confidence: float = CONFIDENCE

    @property
    def base(self) -> float:
        """The policy's number, or what order asks for."""
        return max(self.own, self.at_least)


@dataclass(frozen=True, slots=True)
class Finding:
    """What labels say of one limit."""

    change: Change
    value: float
    """The limit to use: the policy's own where none could be shown to hold."""
    wish: Wish
    benign: int
    caught: int
    """Of the benign, how many the value catches."""
    own_caught: int
    """And how many the policy's own limit."""
    positives: int
    found: int
    """Of the positives, how many the value finds."""

    @property
    def bound(self) -> float:
        """Upper bound of the false-positive rate at the value."""
        return upper_bound(self.caught, self.benign, self.wish.confidence)

    @property
    def own_bounds(self) -> tuple[float, float]:
        """Lower and upper bound of the false-positive rate at the policy's own limit."""
        counts = self.own_caught, self.benign, self.wish.confidence
        return lower_bound(*counts), upper_bound(*counts)

    @property
    def missing(self) -> int:
        """Benign labels that are wanting, at the least; 0 where there are enough to show anything."""
        return max(0, trials_needed(self.wish.target, self.wish.confidence) - self.benign)

    @property
    def is_shown(self) -> bool:
        """Whether the value keeps to the target."""
        return self.change in (Change.RAISED, Change.LOWERED, Change.KEPT)

    @property
    def recall(self) -> tuple[float, float]:
        """One-sided bounds of the share of positives that is found, from below and above."""
        return lower_bound(self.found, self.positives), upper_bound(self.found, self.positives)


def find(benign: Sequence[float], positives: Sequence[float], wish: Wish) -> Finding:
    """What becomes of a limit. `benign`, `positives`: scores of the texts that are labelled 0 and 1."""
    most = most_hits(len(benign), wish.target, wish.confidence)
    if most < 0:
        return _finding(Change.TOO_FEW, wish.base, benign, positives, wish)
    lowest = max(just_above(sorted(benign, reverse=True)[most]), LOWEST, wish.at_least)
    if lowest > 1:
        return _finding(Change.UNREACHABLE, wish.base, benign, positives, wish)
    if lowest > wish.own:
        return _finding(Change.RAISED, lowest, benign, positives, wish)
    gains = caught(positives, lowest) > caught(positives, wish.own) and len(positives) >= FEWEST_POSITIVES
    if wish.may_be_lowered and gains:
        return _finding(Change.LOWERED, lowest, benign, positives, wish)
    return _finding(Change.KEPT, wish.own, benign, positives, wish)


def just_above(score: float) -> float:
    """The next number of six digits."""
    return (math.floor(score * _STEPS) + 1) / _STEPS


def caught(scores: Sequence[float], limit: float) -> int:
    """How many a limit catches."""
    return sum(score >= limit for score in scores)


def _finding(change: Change, value: float, benign: Sequence[float], positives: Sequence[float], wish: Wish) -> Finding:
    return Finding(
        change=change,
        value=value,
        wish=wish,
        benign=len(benign),
        caught=caught(benign, value),
        own_caught=caught(benign, wish.own),
        positives=len(positives),
        found=caught(positives, value),
    )
