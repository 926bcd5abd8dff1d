"""Enforcements and restrictions. Pure."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from moat.enforcement.v1 import effect_service_pb2, enforcement_pb2, enforcement_service_pb2

from services.runtime.errors import InvalidRequest

_NAMESPACE = uuid.UUID("5f1d4b8e-8f0c-5c39-9d53-6c1d2a9c7a10")
RESTRICTING = frozenset((enforcement_pb2.EFFECT_KIND_MUTE, enforcement_pb2.EFFECT_KIND_BAN))
"""What stops a user from posting."""
_ON_REQUEST = RESTRICTING | {enforcement_pb2.EFFECT_KIND_WARN}
_LONGEST_MUTE = timedelta(days=366)
_SHORTEST_MUTE = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Enforcement:
    """One effect on one user."""

    tenant: str
    environment: str
    enforcement_id: str
    user_id: str
    channel_id: str
    kind: int
    category: str
    rule_ids: tuple[str, ...]
    decision_id: str
    actor: str
    reason: str
    request_digest: bytes
    create_time: datetime
    expire_time: datetime | None
    reverse_time: datetime | None = None
    reverse_actor: str | None = None
    reverse_reason: str | None = None

    @property
    def restricts(self) -> bool:
        """Whether it is one that stops a user from posting while it is in force."""
        return self.kind in RESTRICTING

    def state(self, now: datetime) -> int:
        """The state at `now`."""
        if self.reverse_time is not None:
            return enforcement_pb2.ENFORCEMENT_STATE_REVERSED
        if self.expire_time is not None and self.expire_time <= now:
            return enforcement_pb2.ENFORCEMENT_STATE_EXPIRED
        return enforcement_pb2.ENFORCEMENT_STATE_APPLIED


@dataclass(frozen=True, slots=True)
class Restriction:
    """What holds for a user."""

    kind: int
    channel_id: str
    enforcement_id: str
    expire_unix: float | None = field(default=None)

    def holds(self, channel_id: str, now_unix: float) -> bool:
        """In this channel, now?"""
        in_force = self.expire_unix is None or self.expire_unix > now_unix
        return in_force and self.channel_id in ("", channel_id)


def of_intent(intent: effect_service_pb2.EffectIntent) -> list[Enforcement]:
    """A decision's effects. Their ids follow from decision and kind: applied once, however often they come."""
    context = intent.context
    decided = intent.decide_time.ToDatetime(UTC)
    return [
        Enforcement(
            tenant=context.tenant,
            environment=context.environment,
            enforcement_id=_id(context.tenant, context.environment, "decision", context.decision_id, str(effect.kind)),
            user_id=intent.user_id,
            channel_id="",
            kind=effect.kind,
            category=effect.category,
            rule_ids=tuple(effect.rule_ids),
            decision_id=context.decision_id,
            actor="policy",
            reason=intent.notice,
            request_digest=b"",
            create_time=decided,
            expire_time=_expiry(effect, decided),
        )
        for effect in intent.effects
    ]


def of_request(
    request: enforcement_service_pb2.ApplyEnforcementRequest,
    *,
    tenant: str,
    environment: str,
    actor: str,
    now: datetime,
) -> Enforcement:
    """What a person or service asks for. Raises InvalidRequest for what cannot be asked for."""
    effect = request.effect
    if effect.kind not in _ON_REQUEST:
        raise InvalidRequest.field("effect.kind", "must be WARN, MUTE or BAN; the others are made by a verdict")
    length = effect.duration.ToTimedelta() if effect.HasField("duration") else None
    if effect.kind == enforcement_pb2.EFFECT_KIND_MUTE and length is None:
        raise InvalidRequest.field("effect.duration", "a mute needs one, of 1 s to 366 days")
    if length is not None and not _SHORTEST_MUTE <= length <= _LONGEST_MUTE:
        raise InvalidRequest.field("effect.duration", "must be 1 s to 366 days; a ban without one is for ever")
    return Enforcement(
        tenant=tenant,
        environment=environment,
        enforcement_id=_id(tenant, environment, "request", request.request_id),
        user_id=request.user_id,
        channel_id=request.channel_id,
        kind=effect.kind,
        category=effect.category,
        rule_ids=tuple(effect.rule_ids),
        decision_id="",
        actor=actor,
        reason=request.reason,
        request_digest=hashlib.sha256(request.SerializeToString(deterministic=True)).digest(),
        create_time=now,
        expire_time=_expiry(effect, now),
    )


def _expiry(effect: enforcement_pb2.Effect, start: datetime) -> datetime | None:
    return start + effect.duration.ToTimedelta() if effect.HasField("duration") else None


def _id(*parts: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, "\0".join(parts)))
