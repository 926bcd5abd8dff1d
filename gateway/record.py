"""Puts together what is kept of a decision, and what is to be done because of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from moat.audit.v1 import decision_record_pb2
from moat.enforcement.v1 import effect_service_pb2, enforcement_pb2

from gateway import VERSION
from gateway.hops import IMAGES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.internal import containers
    from moat.detection.v1 import signals_pb2
    from moat.mesh.v1 import item_pb2
    from moat.routing.v1 import verdict_pb2

    from gateway.items import Item
    from services.runtime.errors import MoatError

_ON_THE_AUTHOR = frozenset(
    (enforcement_pb2.EFFECT_KIND_WARN, enforcement_pb2.EFFECT_KIND_MUTE, enforcement_pb2.EFFECT_KIND_BAN)
)
"""What somebody has to carry out. Masking, holding and dropping happen in the answer itself."""
_RECORDED_HOPS = frozenset(("detection", IMAGES, "context", "restrictions", "routing"))


@dataclass(slots=True)
class Evidence:
    """What is known about an item when it is decided. None and absent are what did not answer in time."""

    signals: signals_pb2.Signals | None = None
    features: containers.ScalarMap[str, float] | None = None
    restrictions: Sequence[enforcement_pb2.Restriction] = ()
    missing: list[str] = field(default_factory=list)
    refusal: MoatError | None = None
    """Why the content cannot be decided about at all: it is no picture, say."""


def degradations(evidence: Evidence, verdict: verdict_pb2.Verdict) -> list[str]:
    """Every degradation by name, once: missing parts with the policy's answer to each, or without one if it has none,
    and rules that could not be evaluated."""
    named = list(verdict.degraded)
    parts = [*evidence.missing, *(evidence.signals.degraded if evidence.signals is not None else ())]
    if parts:
        spoken_for = {name.partition(":")[0] for name in named}
        named += [f"{part}:missing" for part in parts if part not in spoken_for]
    if verdict.failed_rule_ids:
        named.append("routing:failed_rules")
    return list(dict.fromkeys(named)) if named else named


def build(
    item: Item,
    evidence: Evidence,
    verdict: verdict_pb2.Verdict,
    *,
    content_digest: bytes,
    sealed: decision_record_pb2.SealedContent | None,
    decide_unix_nanos: int,
) -> decision_record_pb2.DecisionRecord:
    """The whole record. `sealed` is None when the caller asked that the content be kept nowhere."""
    message, arrival = item.message, item.arrival
    record = decision_record_pb2.DecisionRecord(
        decision_id=item.decision_id,
        tenant=arrival.tenant.name,
        environment=arrival.environment,
        request_id=message.request_id,
        content_digest=content_digest,
        user_id=message.user_id,
        channel_id=message.channel_id,
        target_user_ids=message.target_user_ids,
        surface=item.surface,
        signals=evidence.signals,
        restrictions=evidence.restrictions,
        missing=evidence.missing,
        verdict=verdict,
        trace_id=item.trace_id,
        sealed_content=sealed,
        degraded=degradations(evidence, verdict),
        caller=arrival.caller,
        do_not_store=message.do_not_store,
        gateway_version=VERSION,
    )
    if evidence.features is not None:
        record.features.MergeFrom(evidence.features)
    for leg in item.legs:
        if leg.timing is not None and leg.hop in _RECORDED_HOPS:
            record.timings.add(hop=leg.hop, timing=leg.timing)
    record.receive_time.FromNanoseconds(arrival.unix_nanos)
    record.decide_time.FromNanoseconds(decide_unix_nanos)
    return record


def intent_of(
    record: decision_record_pb2.DecisionRecord, context: item_pb2.ItemContext
) -> effect_service_pb2.EffectIntent | None:
    """What is to be done to the author; None for nothing. `context` is of the item that asks, which may be a repeat:
    the decision's id is the record's."""
    effects = [effect for effect in record.verdict.effects if effect.kind in _ON_THE_AUTHOR]
    if not effects:
        return None
    intent = effect_service_pb2.EffectIntent(
        context=context,
        user_id=record.user_id,
        channel_id=record.channel_id,
        effects=effects,
        decide_time=record.decide_time,
        notice=record.verdict.notice,
    )
    intent.context.decision_id = record.decision_id
    return intent
