"""The path of one item, from the moment its turn comes to its answer. Read `Path.decide` from top to bottom."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from moat.context.v1 import context_service_pb2
from moat.routing.v1 import routing_service_pb2

from gateway import record as records
from gateway.answer import decision_of
from gateway.hops import Hop, reason_of
from gateway.metrics import DEGRADATIONS
from gateway.parts import hash_files
from gateway.undecidable import undecided
from services.runtime.errors import MoatError, OutOfTime

if TYPE_CHECKING:
    from moat.moderation.v1 import moderation_pb2
    from moat.routing.v1 import verdict_pb2

    from gateway.advisers import Advisers
    from gateway.afterwards import Afterwards
    from gateway.commit import Committed, Recorder
    from gateway.digest import Digests
    from gateway.effects import Effects
    from gateway.evidence import Evidence, KeptFiles
    from gateway.items import Item
    from gateway.known import Known
    from gateway.sealing import Sealer

    RoutingHop = Hop[routing_service_pb2.VerdictItem, routing_service_pb2.VerdictResult]


class Path:
    """Decides items, one coroutine each; what they share is the lists at the hops."""

    def __init__(
        self,
        advisers: Advisers,
        routing: RoutingHop,
        recorder: Recorder,
        effects: Effects,
        afterwards: Afterwards,
        digests: Digests,
        sealer: Sealer,
        evidence: Evidence,
    ) -> None:
        """See `wiring`."""
        self._advisers = advisers
        self._routing = routing
        self._recorder = recorder
        self._effects = effects
        self._afterwards = afterwards
        self._digests = digests
        self._sealer = sealer
        self._evidence = evidence

    async def decide(self, item: Item) -> moderation_pb2.Decision:
        """Raises MoatError when nothing was decided; a missing part does not count as that."""
        item.begin()
        await hash_files(item.parts)
        content_digest = self._digests.of_request(item.message, item.surface, item.parts)
        subject = self._subject(item)
        committed = await self._recorder.earlier(item, content_digest)
        if committed is None:
            known = await self._advisers.ask(item, subject)
            verdict = await self._verdict(item, known)
            kept = await self._evidence.keep(item, verdict)
            committed = await self._commit(item, known, verdict, kept, content_digest)
        record, replayed = committed
        actions = await self._effects.apply(item, records.intent_of(record, item.context))
        decision = decision_of(record, [part.text for part in item.parts], actions, replayed=replayed)
        if not replayed:
            self._afterwards.count(subject, record)
        return decision

    def _subject(self, item: Item) -> context_service_pb2.ContextItem:
        return context_service_pb2.ContextItem(
            context=item.context,
            user_id=item.message.user_id,
            channel_id=item.message.channel_id,
            target_user_ids=item.message.target_user_ids,
            content_digest=self._digests.of_parts(item.parts),
        )

    async def _verdict(self, item: Item, known: Known) -> verdict_pb2.Verdict:
        until = self._routing.until(item)
        message = routing_service_pb2.VerdictItem(
            context=item.context_until(until),
            surface=item.surface,
            signals=None if item.in_parts else known.signals[0],
            restrictions=known.restrictions,
            missing=known.missing,
            parts=records.part_signals(item, known) if item.in_parts else (),
        )
        if known.features is not None:
            message.features.MergeFrom(known.features)
        leg = self._routing.ask(message, until=until, bulk=item.bulk)
        item.legs.append(leg)
        try:
            verdict = (await leg.result()).verdict
        except MoatError as error:
            DEGRADATIONS.labels("routing", reason_of(error)).inc()
            return undecided(item, known)
        if verdict.failed_rule_ids:
            DEGRADATIONS.labels("routing", "failed_rules").inc()
        return verdict

    async def _commit(
        self, item: Item, known: Known, verdict: verdict_pb2.Verdict, kept: KeptFiles, content_digest: bytes
    ) -> Committed:
        now = time.monotonic()
        if now >= item.deadline:
            message = "the deadline passed before the decision was recorded"
            raise OutOfTime(message)
        record = records.build(
            item,
            known,
            verdict,
            content_digest=content_digest,
            sealed=self._sealer.seal_item(item, known.words),
            kept=kept,
            decide_unix_nanos=item.arrival.wall_nanos(now),
        )
        return await self._recorder.commit(item, record, records.intent_of(record, item.context_until(None)))
