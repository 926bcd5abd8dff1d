"""Which decisions' spans are worth keeping, known only at the end. One that is dropped costs a comparison."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from moat.moderation.v1 import moderation_pb2
from moat.routing.v1 import verdict_pb2

from gateway.metrics import TRACES_DROPPED

if TYPE_CHECKING:
    from gateway.desk import Outcome
    from gateway.items import Item

_RANDOM_DIGITS = 8
"""The end of a trace id is random by W3C's rules. So are the last 32 bits of a UUIDv7; before them a counter stands."""


@dataclass(frozen=True, slots=True)
class Finished:
    """An item whose path is over, as spans are made from it."""

    item: Item
    outcome: Outcome
    at: float
    """When it was answered, on the monotonic clock."""


class Budget:
    """So many a second, and a second's worth at once. When everything is slow, everything is notable: without a bound the
    gateway would spend on describing an overload what it lacks for serving it."""

    def __init__(self, per_second: float) -> None:
        """Full at first."""
        self._per_second = per_second
        self._left = per_second
        self._at = time.monotonic()

    def take(self, now: float) -> bool:
        """Whether there is one left at `now`, on the monotonic clock."""
        self._left = min(self._per_second, self._left + max(0.0, now - self._at) * self._per_second)
        self._at = max(self._at, now)
        if self._left < 1:
            return False
        self._left -= 1
        return True


@dataclass(frozen=True, slots=True)
class KeepRule:
    """A share of all by trace id, the same on every gateway; and all that somebody will ask about."""

    share: float
    notable: bool
    slow_seconds: float
    budget: Budget
    """Of notable ones; the share is a bound already."""

    def keeps(self, finished: Finished) -> bool:
        """Whether its spans are worth their cost."""
        if self.share >= 1 or int(finished.item.trace_id[-_RANDOM_DIGITS:], 16) < self.share * 16**_RANDOM_DIGITS:
            return True
        if not self.notable or not self._is_notable(finished):
            return False
        if self.budget.take(finished.at):
            return True
        TRACES_DROPPED.labels("budget").inc()
        return False

    def _is_notable(self, finished: Finished) -> bool:
        outcome = finished.outcome
        if not isinstance(outcome, moderation_pb2.Decision):
            return True
        slow = finished.at - finished.item.arrival.at > self.slow_seconds
        return slow or outcome.outcome != verdict_pb2.OUTCOME_ALLOW or len(outcome.degraded) > 0


def finished_now(item: Item, outcome: Outcome) -> Finished:
    """An item that has just been answered."""
    return Finished(item, outcome, time.monotonic())
