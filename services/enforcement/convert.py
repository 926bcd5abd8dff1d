"""Domain → proto."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from moat.enforcement.v1 import enforcement_pb2

from services.enforcement.model import Enforcement, Restriction


def _kind(number: int) -> enforcement_pb2.EffectKind.ValueType:
    return cast("enforcement_pb2.EffectKind.ValueType", number)


def enforcement(made: Enforcement, now: datetime) -> enforcement_pb2.Enforcement:
    """As it stands at `now`."""
    message = enforcement_pb2.Enforcement(
        enforcement_id=made.enforcement_id,
        user_id=made.user_id,
        channel_id=made.channel_id,
        effect=enforcement_pb2.Effect(kind=_kind(made.kind), category=made.category, rule_ids=made.rule_ids),
        state=cast("enforcement_pb2.EnforcementState.ValueType", made.state(now)),
        decision_id=made.decision_id,
        actor=made.actor,
        reason=made.reason,
        reverse_actor=made.reverse_actor or "",
        reverse_reason=made.reverse_reason or "",
    )
    message.create_time.FromDatetime(made.create_time)
    if made.expire_time is not None:
        message.expire_time.FromDatetime(made.expire_time)
        message.effect.duration.FromTimedelta(made.expire_time - made.create_time)
    if made.reverse_time is not None:
        message.reverse_time.FromDatetime(made.reverse_time)
    return message


def restriction(held: Restriction) -> enforcement_pb2.Restriction:
    """As callers see it."""
    message = enforcement_pb2.Restriction(
        kind=_kind(held.kind), channel_id=held.channel_id, enforcement_id=held.enforcement_id
    )
    if held.expire_unix is not None:
        message.expire_time.FromNanoseconds(int(held.expire_unix * 1e9))
    return message
