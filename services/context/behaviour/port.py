"""What a detector of behaviour is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Its card, and the function. Rules read it as `behaviour.NAME`; a decision's record has it among the features."""

    name: str
    """That of its module."""
    summary: str
    """What it sees, and what it takes for it though it is not."""
    reads: tuple[str, ...]
    """Features. Where one of them is absent (an item without a channel, say) it scores 0."""
    look: Callable[..., float]
    """From the features in the order of `reads` to 0..1: how much it looks like that, not how likely it is. Pure and cheap: it
    runs for every item."""

    def score(self, features: Mapping[str, float]) -> float:
        """0 to 1."""
        try:
            values = [features[name] for name in self.reads]
        except KeyError:
            return 0.0
        return min(1.0, max(0.0, self.look(*values)))


def rises(value: float, low: float, high: float) -> float:
    """0 up to `low`, 1 from `high` on, and straight between them."""
    return min(1.0, max(0.0, (value - low) / (high - low)))
