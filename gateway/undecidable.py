"""What becomes of an item when no policy can be asked: what its tenant chose, and never more than that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moat.routing.v1 import verdict_pb2

from gateway.tenants import WhenUndecidable

if TYPE_CHECKING:
    from gateway.record import Evidence
    from gateway.tenants import Tenant

_OUTCOMES = {
    WhenUndecidable.HOLD: verdict_pb2.OUTCOME_HOLD,
    WhenUndecidable.BLOCK: verdict_pb2.OUTCOME_DROP,
    WhenUndecidable.ALLOW: verdict_pb2.OUTCOME_ALLOW,
}


def undecided(tenant: Tenant, evidence: Evidence) -> verdict_pb2.Verdict:
    """A verdict without a policy. Somebody who may not post has been decided about before: that holds without one."""
    outcome = verdict_pb2.OUTCOME_DROP if evidence.restrictions else _OUTCOMES[tenant.when_undecidable]
    return verdict_pb2.Verdict(outcome=outcome, degraded=[f"routing:{tenant.when_undecidable.value}"])
