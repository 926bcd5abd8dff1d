"""Puts together what is kept of a decision, and what is to be done because of it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moat.audit.v1 import decision_record_pb2
from moat.enforcement.v1 import effect_service_pb2, enforcement_pb2
from moat.routing.v1 import routing_service_pb2

from gateway import VERSION
from gateway.evidence import MISSING
from gateway.hops import EVIDENCE, IMAGES, SOUNDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moat.mesh.v1 import item_pb2
    from moat.routing.v1 import verdict_pb2

    from gateway.evidence import KeptFiles
    from gateway.items import Item
    from gateway.known import Known
    from gateway.sealing import Sealed

_ON_THE_AUTHOR = frozenset(
    (enforcement_pb2.EFFECT_KIND_WARN, enforcement_pb2.EFFECT_KIND_MUTE, enforcement_pb2.EFFECT_KIND_BAN)
)
"""What somebody has to carry out. Masking, holding and dropping happen in the answer itself."""
_RECORDED_HOPS = frozenset(("detection", IMAGES, SOUNDS, "context", "restrictions", "routing", EVIDENCE))


def degradations(known: Known, verdict: verdict_pb2.Verdict) -> list[str]:
    """Every degradation by name, once: missing parts with the policy's answer to each, or without one if it has none,
    and rules that could not be evaluated."""
    named = list(verdict.degraded)
    parts = [*known.missing, *known.degraded]
    if parts:
        spoken_for = {name.partition(":")[0] for name in named}
        named += [f"{part}:missing" for part in parts if part not in spoken_for]
    if verdict.failed_rule_ids:
        named.append("routing:failed_rules")
    return list(dict.fromkeys(named)) if named else named


def part_signals(item: Item, known: Known) -> Iterator[routing_service_pb2.PartSignals]:
    """What is known of each part of a content in parts."""
    for part, signals in zip(item.parts, known.signals, strict=True):
        yield routing_service_pb2.PartSignals(kind=part.kind, signals=signals)


def build(
    item: Item,
    known: Known,
    verdict: verdict_pb2.Verdict,
    *,
    content_digest: bytes,
    sealed: Sealed,
    kept: KeptFiles,
    decide_unix_nanos: int,
) -> decision_record_pb2.DecisionRecord:
    """The whole record."""
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
        restrictions=known.restrictions,
        missing=known.missing,
        verdict=verdict,
        trace_id=item.trace_id,
        sealed_content=sealed.content,
        sealed_words=sealed.words,
        degraded=degradations(known, verdict),
        caller=arrival.caller,
        do_not_store=message.do_not_store,
        gateway_version=VERSION,
        evidence=kept.files,
    )
    if kept.missing:
        record.degraded.append(MISSING)
    if item.in_parts:
        record.parts.extend(part_signals(item, known))
    elif known.signals[0] is not None:
        record.signals.CopyFrom(known.signals[0])
    if known.features is not None:
        record.features.MergeFrom(known.features)
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
