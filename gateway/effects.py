"""Has a committed decision's effects carried out, as far as the caller's time allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moat.enforcement.v1 import enforcement_pb2
from moat.moderation.v1 import moderation_pb2

from gateway.hops import reason_of
from gateway.metrics import DEGRADATIONS
from services.runtime.errors import MoatError

if TYPE_CHECKING:
    from moat.enforcement.v1 import effect_service_pb2

    from gateway.hops import Hop
    from gateway.items import Item

    EffectsHop = Hop[effect_service_pb2.EffectIntent, effect_service_pb2.EffectResult]


class Effects:
    """Asks enforcement at once, though it need not: the log carries the same intent, and whatever is not applied now is
    applied from there, once."""

    def __init__(self, hop: EffectsHop) -> None:
        """`hop` applies effects."""
        self._hop = hop

    async def apply(
        self, item: Item, intent: effect_service_pb2.EffectIntent | None
    ) -> list[moderation_pb2.DecisionAction]:
        """One action per effect: APPLIED, or PENDING with the time at which it will end. Never raises."""
        if intent is None:
            return []
        until = self._hop.until(item)
        intent.context.deadline_unix_nanos = item.arrival.wall_nanos(until)
        leg = self._hop.ask(intent, until=until, bulk=item.bulk)
        item.legs.append(leg)
        try:
            result = await leg.result()
        except MoatError as error:
            DEGRADATIONS.labels("effects", reason_of(error)).inc()
            return [_pending(intent, effect) for effect in intent.effects]
        return [_applied(enforcement) for enforcement in result.enforcements]


def _applied(enforcement: enforcement_pb2.Enforcement) -> moderation_pb2.DecisionAction:
    action = moderation_pb2.DecisionAction(
        kind=enforcement.effect.kind, state=enforcement.state, enforcement_id=enforcement.enforcement_id
    )
    if enforcement.HasField("expire_time"):
        action.expire_time.CopyFrom(enforcement.expire_time)
    return action


def _pending(intent: effect_service_pb2.EffectIntent, effect: enforcement_pb2.Effect) -> moderation_pb2.DecisionAction:
    action = moderation_pb2.DecisionAction(kind=effect.kind, state=enforcement_pb2.ENFORCEMENT_STATE_PENDING)
    if effect.HasField("duration"):
        action.expire_time.FromNanoseconds(intent.decide_time.ToNanoseconds() + effect.duration.ToNanoseconds())
    return action
