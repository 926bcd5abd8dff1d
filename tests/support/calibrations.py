"""Calibrations for tests, made as `moat calibrate` makes them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from services.routing.calibration.document import Calibration, Labels
from services.routing.calibration.making import Made, Row, Wishes, document, judge
from services.routing.document import PolicyDocument
from services.routing.views import Item

MODELS = {"normaliser": "n1", "fast_text": "f1", "deep_text": "d1"}


def calibration(
    policy: PolicyDocument,
    *,
    category: str = "hate",
    benign: Sequence[float] = (0.2,) * 294 + (0.95,) * 6,
    positives: Sequence[float] = (),
    tenant: str = "demo",
    environment: str = "production",
    surface: str = "chat",
    target: float = 0.05,
) -> Calibration:
    """By these scores of texts that are labelled 0 and 1 in one category."""
    rows = [Row({category: 0}, {category: score}) for score in benign]
    rows += [Row({category: 1}, {category: score}) for score in positives]
    made = Made(
        tenant=tenant,
        environment=environment,
        surface=surface,
        made=datetime(2026, 11, 1, tzinfo=UTC),
        models=MODELS,
        labels=Labels(sha256="0" * 64, rows=len(rows), used=len(rows)),
        source="labels",
        reference=[row.scores for row in rows],
    )
    return document(policy, judge(policy, surface, rows, Wishes(target)), made, 0.95)


def scored(
    score: float,
    *,
    category: str = "hate",
    tenant: str = "demo",
    environment: str = "production",
    surface: str = "chat",
    **versions: str,
) -> Item:
    """A text of a tenant's, as routing is asked about it. `versions`: of models that are others than in `MODELS`."""
    item = Item(surface=surface)
    item.context.tenant, item.context.environment = tenant, environment
    item.signals.scores.add(category=category, probability=score)
    models = MODELS | versions
    item.signals.normaliser_version = models.pop("normaliser")
    item.signals.tiers.add(name="cache", version="1", reason="seen")
    item.signals.tiers.add(name="terms", version="today's", reason="always")
    for name, version in models.items():
        item.signals.tiers.add(name=name, version=version, reason="always")
    return item
