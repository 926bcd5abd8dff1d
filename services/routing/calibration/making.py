"""Labels and scores of one place → what becomes of each limit there, and the document that says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from services.routing.calibration.bounds import CONFIDENCE
from services.routing.calibration.comparisons import basis, compared, own_limits
from services.routing.calibration.document import Calibration, Labels, Limit, Policy, Reference
from services.routing.calibration.finding import Finding, Wish, caught, find
from services.routing.calibration.histogram import counted
from services.routing.document import PolicyDocument

Scores = Mapping[str, float]
"""By category."""


@dataclass(frozen=True, slots=True)
class Row:
    """A text that somebody has judged."""

    labels: Mapping[str, int]
    """1 or 0 by category; what is absent was not judged."""
    scores: Scores


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is asked of a policy's limits."""

    target: float
    """The share of benign texts that each may catch."""
    targets: Mapping[str, float] = field(default_factory=dict)
    """Of some limits, another."""
    only_raise: bool = False
    confidence: float = CONFIDENCE


@dataclass(frozen=True, slots=True)
class Judged:
    """A limit, what it is held against, and what labels say of it."""

    category: str
    finding: Finding

    @property
    def own(self) -> float:
        """The policy's number."""
        return self.finding.wish.own

    @property
    def target(self) -> float:
        """The share of benign texts that it may catch."""
        return self.finding.wish.target

    @property
    def counts(self) -> bool:
        """Whether the calibration has a say on it: its value is shown to hold, or order asks for another than the policy's."""
        return self.finding.is_shown or self.finding.value != self.own


def judge(policy: PolicyDocument, surface: str, rows: Sequence[Row], wishes: Wishes) -> dict[str, Judged]:
    """Each limit that can be calibrated, by name, less sure ones first. Of the limits on one category only the least sure may be
    lowered, unless it has a target of its own: what a sure limit does is meant to be rare."""
    own = own_limits(policy, surface)
    judged: dict[str, Judged] = {}
    reached: dict[str, float] = {}
    named = {limit: one.category for limit, one in compared(policy).items() if not one.problem}
    for limit in sorted(named, key=lambda name: (own[name], name)):
        category = named[limit]
        wish = Wish(
            own=own[limit],
            target=wishes.targets.get(limit, wishes.target),
            at_least=reached.get(category, 0.0),
            may_be_lowered=not wishes.only_raise and (category not in reached or limit in wishes.targets),
            confidence=wishes.confidence,
        )
        finding = find(scores_of(rows, category, 0), scores_of(rows, category, 1), wish)
        reached[category] = finding.value
        judged[limit] = Judged(category, finding)
    return judged


def scores_of(rows: Sequence[Row], category: str, label: int) -> list[float]:
    """Of the texts with this label."""
    return [row.scores.get(category, 0.0) for row in rows if row.labels.get(category) == label]


@dataclass(frozen=True, slots=True)
class Made:
    """What a calibration is made of, beside its limits."""

    tenant: str
    environment: str
    surface: str
    made: datetime
    models: Mapping[str, str]
    labels: Labels
    source: str
    """Of the reference: `decisions` or `labels`."""
    reference: Sequence[Scores]


def document(policy: PolicyDocument, judged: Mapping[str, Judged], made: Made, confidence: float) -> Calibration:
    """Raises ValueError when no limit counts."""
    limits = {limit: _limit(one) for limit, one in judged.items() if one.counts}
    return Calibration.model_validate(
        {
            "tenant": made.tenant,
            "environment": made.environment,
            "surface": made.surface,
            "made": made.made,
            "confidence": confidence,
            "policy": Policy(
                name=policy.name,
                version=policy.version,
                content_hash=policy.content_hash,
                basis=basis(policy, made.surface),
            ),
            "models": dict(made.models),
            "labels": made.labels,
            "limits": limits,
            "reference": _reference(limits, made),
        }
    )


def _limit(judged: Judged) -> Limit:
    found = judged.finding
    return Limit(
        category=judged.category,
        value=found.value,
        own=judged.own,
        target=judged.target,
        benign=found.benign,
        caught=found.caught,
        bound=round(found.bound, 6),
        positives=found.positives,
        found=found.found,
    )


def _reference(limits: Mapping[str, Limit], made: Made) -> Reference:
    number = max(1, len(made.reference))
    by_category = {
        category: [scores.get(category, 0.0) for scores in made.reference]
        for category in sorted({limit.category for limit in limits.values()})
    }
    return Reference.model_validate(
        {
            "source": made.source,
            "count": len(made.reference),
            "steps": {category: counted(scores) for category, scores in by_category.items()},
            "crossed": {
                name: round(caught(by_category[limit.category], limit.value) / number, 6)
                for name, limit in limits.items()
            },
        }
    )
