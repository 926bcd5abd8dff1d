"""What becomes of an item when no policy can be asked: what its tenant chose, and never more than that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moat.routing.v1 import verdict_pb2

from gateway.tenants import WhenUndecidable

if TYPE_CHECKING:
    from gateway.items import Item
    from gateway.known import Known

_OUTCOMES = {
    WhenUndecidable.HOLD: verdict_pb2.OUTCOME_HOLD,
    WhenUndecidable.BLOCK: verdict_pb2.OUTCOME_DROP,
    WhenUndecidable.ALLOW: verdict_pb2.OUTCOME_ALLOW,
}


def undecided(item: Item, known: Known) -> verdict_pb2.Verdict:
    """A verdict without a policy. Somebody who may not post has been decided about before: that holds without one."""
    chosen = item.arrival.tenant.when_undecidable
    outcome = verdict_pb2.OUTCOME_DROP if known.restrictions else _OUTCOMES[chosen]
    parts = [verdict_pb2.PartVerdict(outcome=outcome) for _ in item.parts] if item.in_parts else []
    return verdict_pb2.Verdict(outcome=outcome, degraded=[f"routing:{chosen.value}"], parts=parts)
