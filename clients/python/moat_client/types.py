"""What callers get back."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from moat.enforcement.v1 import enforcement_pb2
from moat.moderation.v1 import moderation_pb2
from moat.routing.v1 import verdict_pb2


class Outage(StrEnum):
    """What a caller wants when the mesh cannot be asked."""

    RAISE = "raise"
    ALLOW = "allow"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Action:
    """Something done besides the outcome."""

    kind: str
    """WARN, MUTE, BAN …"""
    state: str
    """APPLIED, or PENDING: certain to be applied."""
    expire_time: datetime | None
    enforcement_id: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided; durable."""

    outcome: str
    """ALLOW, MASK, HOLD or DROP."""
    display_text: str
    """As it may be shown; empty when nothing may, and for pictures."""
    decision_id: str = ""
    request_id: str = ""
    actions: tuple[Action, ...] = ()
    notice: str = ""
    category: str = ""
    severity: int = 0
    scores: dict[str, float] = field(default_factory=dict)
    policy_version: str = ""
    policy_hash: str = ""
    degraded: tuple[str, ...] = ()
    trace_id: str = ""
    replayed: bool = False
    outage: bool = False
    """Not decided by the mesh, which could not be asked, but by what this caller chose for that case."""

    @property
    def may_be_shown(self) -> bool:
        """As it is, or masked."""
        return self.outcome in ("ALLOW", "MASK")


def decision_of(message: moderation_pb2.Decision) -> Decision:
    """From the wire."""
    return Decision(
        outcome=verdict_pb2.Outcome.Name(message.outcome).removeprefix("OUTCOME_"),
        display_text=message.display_text,
        decision_id=message.decision_id,
        request_id=message.request_id,
        actions=tuple(_action(action) for action in message.actions),
        notice=message.notice,
        category=message.category,
        severity=message.severity,
        scores={score.category: score.probability for score in message.scores},
        policy_version=message.policy.version,
        policy_hash=message.policy.content_hash,
        degraded=tuple(message.degraded),
        trace_id=message.trace_id,
        replayed=message.replayed,
    )


def _action(message: moderation_pb2.DecisionAction) -> Action:
    return Action(
        kind=enforcement_pb2.EffectKind.Name(message.kind).removeprefix("EFFECT_KIND_"),
        state=enforcement_pb2.EnforcementState.Name(message.state).removeprefix("ENFORCEMENT_STATE_"),
        expire_time=message.expire_time.ToDatetime() if message.HasField("expire_time") else None,
        enforcement_id=message.enforcement_id,
    )
