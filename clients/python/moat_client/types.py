"""What callers get back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from moat.detection.v1 import signals_pb2
from moat.enforcement.v1 import enforcement_pb2
from moat.moderation.v1 import moderation_pb2
from moat.routing.v1 import verdict_pb2

_SHOWN = ("ALLOW", "MASK")


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
class Finding:
    """A place in the content that the decision rests on. At most one of `text`, `box` and `interval` says where; none: the part
    as a whole."""

    part: int
    """Position of the part; 0 for content that is one thing."""
    category: str
    source: str
    """Who says so: `terms`, a tier's name, `hash_banks` or a detector's."""
    text: tuple[int, int] | None = None
    """First character and one past the last."""
    box: tuple[float, float, float, float] | None = None
    """Left, top, right and bottom, in shares of the picture's width and height."""
    interval: tuple[float, float] | None = None
    """Seconds from the clip's beginning."""


@dataclass(frozen=True, slots=True)
class PartDecision:
    """What would happen to one of several things alone."""

    outcome: str
    display_text: str
    category: str
    severity: int
    scores: dict[str, float] = field(default_factory=dict)

    @property
    def may_be_shown(self) -> bool:
        """As it is, or masked."""
        return self.outcome in _SHOWN


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided; durable."""

    outcome: str
    """ALLOW, MASK, HOLD or DROP."""
    display_text: str
    """As it may be shown; empty when nothing may, and for what is no line of text."""
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

    parts: tuple[PartDecision, ...] = ()
    """Of several things: each for itself."""
    findings: tuple[Finding, ...] = ()

    @property
    def may_be_shown(self) -> bool:
        """As it is, or masked; of several things all of them."""
        return self.outcome in _SHOWN


def decision_of(message: moderation_pb2.Decision) -> Decision:
    """From the wire."""
    return Decision(
        outcome=_outcome(message.outcome),
        display_text=message.display_text,
        decision_id=message.decision_id,
        request_id=message.request_id,
        actions=tuple(_action(action) for action in message.actions),
        notice=message.notice,
        category=message.category,
        severity=message.severity,
        scores=_scores(message.scores),
        policy_version=message.policy.version,
        policy_hash=message.policy.content_hash,
        degraded=tuple(message.degraded),
        trace_id=message.trace_id,
        replayed=message.replayed,
        parts=tuple(_part(part) for part in message.parts),
        findings=tuple(_finding(finding) for finding in message.findings),
    )


def _outcome(number: verdict_pb2.Outcome.ValueType) -> str:
    return verdict_pb2.Outcome.Name(number).removeprefix("OUTCOME_")


def _scores(scores: Iterable[signals_pb2.Score]) -> dict[str, float]:
    return {score.category: score.probability for score in scores}


def _part(message: moderation_pb2.PartDecision) -> PartDecision:
    return PartDecision(
        _outcome(message.outcome), message.display_text, message.category, message.severity, _scores(message.scores)
    )


def _finding(message: moderation_pb2.Finding) -> Finding:
    box, interval = message.box, message.interval
    return Finding(
        message.part,
        message.category,
        message.source,
        text=(message.text.start, message.text.end) if message.HasField("text") else None,
        box=(box.left, box.top, box.right, box.bottom) if message.HasField("box") else None,
        interval=(interval.start_millis / 1000, interval.end_millis / 1000) if message.HasField("interval") else None,
    )


def _action(message: moderation_pb2.DecisionAction) -> Action:
    return Action(
        kind=enforcement_pb2.EffectKind.Name(message.kind).removeprefix("EFFECT_KIND_"),
        state=enforcement_pb2.EnforcementState.Name(message.state).removeprefix("ENFORCEMENT_STATE_"),
        expire_time=message.expire_time.ToDatetime() if message.HasField("expire_time") else None,
        enforcement_id=message.enforcement_id,
    )
