"""The path of one item, from the moment its turn comes to its answer. Read `Path.decide` from top to bottom."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.rpc import code_pb2
from moat.context.v1 import context_service_pb2
from moat.detection.v1 import detection_service_pb2
from moat.enforcement.v1 import effect_service_pb2
from moat.routing.v1 import routing_service_pb2, verdict_pb2

from gateway import record as records
from gateway.answer import decision_of
from gateway.hops import IMAGES, Hop, ResultT, reason_of
from gateway.metrics import DEGRADATIONS
from gateway.record import Evidence
from gateway.undecidable import undecided
from services.runtime.errors import MoatError, OutOfTime, code_of

if TYPE_CHECKING:
    from moat.audit.v1 import decision_record_pb2
    from moat.moderation.v1 import moderation_pb2

    from gateway.afterwards import Afterwards
    from gateway.commit import Committed, Recorder
    from gateway.digest import Digests
    from gateway.effects import Effects
    from gateway.hops import Leg
    from gateway.items import Item
    from gateway.sealing import Sealer


@dataclass(frozen=True, slots=True)
class Advisers:
    """Who is asked before a decision is made."""

    detection: Hop[detection_service_pb2.ScoreItem, detection_service_pb2.ScoreResult]
    images: Hop[detection_service_pb2.ScoreItem, detection_service_pb2.ScoreResult]
    """Detection too, by lists of its own."""
    context: Hop[context_service_pb2.ContextItem, context_service_pb2.ContextResult]
    restrictions: Hop[effect_service_pb2.SubjectItem, effect_service_pb2.SubjectResult]
    routing: Hop[routing_service_pb2.VerdictItem, routing_service_pb2.VerdictResult]


class Path:
    """Decides items, one coroutine each; what they share is the lists at the hops."""

    def __init__(
        self,
        advisers: Advisers,
        recorder: Recorder,
        effects: Effects,
        afterwards: Afterwards,
        digests: Digests,
        sealer: Sealer,
    ) -> None:
        """See `wiring`."""
        self._ask = advisers
        self._recorder = recorder
        self._effects = effects
        self._afterwards = afterwards
        self._digests = digests
        self._sealer = sealer

    async def decide(self, item: Item) -> moderation_pb2.Decision:
        """Raises MoatError when nothing was decided; a missing part does not count as that."""
        item.begin()
        if item.is_image:
            await item.hash_image()
        content_digest = self._digests.of_request(item.message, item.surface, image_sha256=item.image_sha256)
        subject = self._subject(item)
        committed = await self._recorder.earlier(item, content_digest)
        if committed is None:
            evidence = await self._evidence(item, subject)
            verdict = await self._verdict(item, evidence)
            committed = await self._commit(item, evidence, verdict, content_digest)
        record, replayed = committed
        actions = await self._effects.apply(item, records.intent_of(record, item.context))
        decision = decision_of(record, item.message.content.text.text, actions, replayed=replayed)
        if not replayed:
            self._afterwards.count(subject, record)
        return decision

    def _subject(self, item: Item) -> context_service_pb2.ContextItem:
        message, digests = item.message, self._digests
        return context_service_pb2.ContextItem(
            context=item.context,
            user_id=message.user_id,
            channel_id=message.channel_id,
            target_user_ids=message.target_user_ids,
            content_digest=digests.of_image(item.image_sha256)
            if item.is_image
            else digests.of_text(message.content.text.text),
        )

    async def _evidence(self, item: Item, subject: context_service_pb2.ContextItem) -> Evidence:
        """Asks all three at once; who does not answer in time is named, and policy knows what to do about it. Raises MoatError
        when detection says that the content is none."""
        ask, message = self._ask, item.message
        hop = ask.images if item.is_image else ask.detection
        until = hop.until(item)
        detection = hop.ask(
            detection_service_pb2.ScoreItem(
                context=item.context_until(until), content=message.content, surface=item.surface
            ),
            until=until,
            bulk=item.bulk,
        )
        until = ask.context.until(item)
        subject.context.deadline_unix_nanos = item.arrival.wall_nanos(until)
        context = ask.context.ask(subject, until=until, bulk=item.bulk)
        until = ask.restrictions.until(item)
        restrictions = ask.restrictions.ask(
            effect_service_pb2.SubjectItem(
                context=item.context_until(until), user_id=message.user_id, channel_id=message.channel_id
            ),
            until=until,
            bulk=item.bulk,
        )
        item.legs += (detection, context, restrictions)
        evidence = Evidence()
        if (scored := await _or_missing(detection, evidence)) is not None:
            evidence.signals = scored.signals
            for part in scored.signals.degraded:
                DEGRADATIONS.labels(part, "detection").inc()
        if (seen := await _or_missing(context, evidence)) is not None:
            evidence.features = seen.features
        if (held := await _or_missing(restrictions, evidence)) is not None:
            evidence.restrictions = held.restrictions
        # The leg lives on in the trace; its copy of the content need not.
        detection.message.ClearField("content")
        if evidence.refusal is not None:
            raise evidence.refusal
        return evidence

    async def _verdict(self, item: Item, evidence: Evidence) -> verdict_pb2.Verdict:
        until = self._ask.routing.until(item)
        message = routing_service_pb2.VerdictItem(
            context=item.context_until(until),
            surface=item.surface,
            signals=evidence.signals,
            restrictions=evidence.restrictions,
            missing=evidence.missing,
        )
        if evidence.features is not None:
            message.features.MergeFrom(evidence.features)
        leg = self._ask.routing.ask(message, until=until, bulk=item.bulk)
        item.legs.append(leg)
        try:
            verdict = (await leg.result()).verdict
        except MoatError as error:
            DEGRADATIONS.labels("routing", reason_of(error)).inc()
            return undecided(item.arrival.tenant, evidence)
        if verdict.failed_rule_ids:
            DEGRADATIONS.labels("routing", "failed_rules").inc()
        return verdict

    async def _commit(
        self, item: Item, evidence: Evidence, verdict: verdict_pb2.Verdict, content_digest: bytes
    ) -> Committed:
        now = time.monotonic()
        if now >= item.deadline:
            message = "the deadline passed before the decision was recorded"
            raise OutOfTime(message)
        record = records.build(
            item,
            evidence,
            verdict,
            content_digest=content_digest,
            sealed=self._sealed(item),
            decide_unix_nanos=item.arrival.wall_nanos(now),
        )
        return await self._recorder.commit(item, record, records.intent_of(record, item.context_until(None)))

    def _sealed(self, item: Item) -> decision_record_pb2.SealedContent | None:
        """Not of pictures: a record may have 256 KiB, and says enough of them by hash, scores and matches."""
        message, arrival = item.message, item.arrival
        if message.do_not_store or item.is_image:
            return None
        return self._sealer.seal(
            message.content,
            tenant=arrival.tenant.name,
            environment=arrival.environment,
            subject=message.user_id,
            decision_id=item.decision_id,
        )


async def _or_missing(leg: Leg[Any, ResultT], evidence: Evidence) -> ResultT | None:
    try:
        return await leg.result()
    except MoatError as error:
        if leg.hop == IMAGES and code_of(error) == code_pb2.INVALID_ARGUMENT:
            evidence.refusal = error
            return None
        evidence.missing.append(leg.part)
        DEGRADATIONS.labels(leg.part, reason_of(error)).inc()
        return None
