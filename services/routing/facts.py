"""What rules may look at, built for every item. All of it has a value: an absent score is 0, and no rule fails."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from moat.enforcement.v1 import enforcement_pb2
from moat.routing.v1 import routing_service_pb2

from services.context.features import FEATURES
from services.routing.document import CATEGORIES

PARTS = ("detection", "deep_tier", "context", "restrictions")
"""What can be missing."""
NAMES = frozenset(
    ("score", "term", "user", "channel", "target", "account", "restricted", "missing", "limit", "surface", "language")
)
"""The variables of rules."""
_NO_SCORES = dict.fromkeys(sorted(CATEGORIES), 0.0)
_NO_TERMS = dict.fromkeys(sorted(CATEGORIES), False)


def _nested(features: Iterable[str]) -> dict[str, dict[str, float]]:
    nested: dict[str, dict[str, float]] = {}
    for name in features:
        subject, _, feature = name.partition(".")
        nested.setdefault(subject, {})[feature] = 0.0
    return nested


_NO_FEATURES = _nested(FEATURES)


def facts_of(item: routing_service_pb2.VerdictItem, limits: Mapping[str, float]) -> dict[str, Any]:
    """The variables for one item."""
    signals = item.signals
    score = dict(_NO_SCORES)
    for one in signals.scores:
        score[one.category] = one.probability
    term = dict(_NO_TERMS)
    for span in signals.spans:
        if span.source == "terms":
            term[span.category] = True
    facts: dict[str, Any] = {subject: dict(values) for subject, values in _NO_FEATURES.items()}
    for name, value in item.features.items():
        subject, _, feature = name.partition(".")
        if subject in facts:
            facts[subject][feature] = value
    kinds = {restriction.kind for restriction in item.restrictions}
    facts["score"] = score
    facts["term"] = term
    facts["restricted"] = {
        "muted": enforcement_pb2.EFFECT_KIND_MUTE in kinds,
        "banned": enforcement_pb2.EFFECT_KIND_BAN in kinds,
    }
    facts["missing"] = dict.fromkeys(missing_of(item), True) | {
        part: False for part in PARTS if part not in missing_of(item)
    }
    facts["limit"] = limits
    facts["surface"] = item.surface
    facts["language"] = signals.language or "und"
    return facts


def missing_of(item: routing_service_pb2.VerdictItem) -> list[str]:
    """The parts that are missing, in the order of `PARTS`."""
    gone = set(item.missing)
    if "deep_tier" in item.signals.degraded:
        gone.add("deep_tier")
    return [part for part in PARTS if part in gone]
