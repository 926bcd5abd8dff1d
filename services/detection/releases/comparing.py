"""What a shadow says held against what was decided with."""

from __future__ import annotations

from moat.detection.v1 import signals_pb2

from services.detection.releases import metrics
from services.detection.releases.document import PlanDocument


def shadow_scores(signals: signals_pb2.Signals, version: str) -> signals_pb2.ShadowScores:
    """As a record keeps them."""
    return signals_pb2.ShadowScores(version=version, scores=signals.scores)


def compare(plan: PlanDocument, release: str, decided: signals_pb2.Signals, shadow: signals_pb2.Signals) -> bool:
    """Counts the differences; False if one of the two lacks a tier, so that there is nothing to compare."""
    if decided.degraded or shadow.degraded:
        return False
    metrics.COMPARED.labels(release).inc()
    said = {score.category: score.probability for score in shadow.scores}
    for score in decided.scores:
        category, ours, theirs = score.category, score.probability, said.get(score.category, 0.0)
        metrics.DIFFERENCE.labels(release, category).observe(abs(ours - theirs))
        for limit in plan.limits.get(category, ()):
            if (ours >= limit) != (theirs >= limit):
                metrics.DISAGREED.labels(release, category, "live" if ours >= limit else "shadow").inc()
                break
    return True
