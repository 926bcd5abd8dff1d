"""What happens after the answer: context is told of the decision, so that it counts for the next one."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from moat.context.v1 import context_service_pb2
from moat.routing.v1 import verdict_pb2

from gateway.metrics import BACKGROUND_FAILURES
from services.runtime.errors import MoatError

if TYPE_CHECKING:
    from moat.audit.v1 import decision_record_pb2

    from gateway.hops import Hop, Leg

    CountHop = Hop[context_service_pb2.DecisionFact, context_service_pb2.RecordResult]

_RETRY_SECONDS = 0.5


_NO_HARM = "platform.other"
"""The category of rules that are not about what was said: the author is muted, say."""


def is_violation(verdict: verdict_pb2.Verdict) -> bool:
    """Whether the author did something wrong: the content was not plainly shown, and for a harm that a rule found in it. Not
    what a muted user's lines meet, nor what waits because a part of the mesh is away: that would make more of itself."""
    shown = verdict.outcome == verdict_pb2.OUTCOME_ALLOW
    return not shown and any(rule.category != _NO_HARM for rule in verdict.rules)


class Afterwards:
    """Tries twice, counts what context never heard of. Context knows decisions by id, so that twice counts once."""

    def __init__(self, hop: CountHop, *, seconds: float) -> None:
        """`seconds` is how long each try may take."""
        self._hop = hop
        self._seconds = seconds
        self._retries: set[asyncio.Task[None]] = set()

    def count(self, subject: context_service_pb2.ContextItem, record: decision_record_pb2.DecisionRecord) -> None:
        """Tells context, in the background. `subject` is what context was asked about before."""
        fact = context_service_pb2.DecisionFact(
            item=subject,
            violation=is_violation(record.verdict),
            create_time=record.decide_time,
        )
        fact.item.context.deadline_unix_nanos = 0
        self._ask(fact).future.add_done_callback(lambda future: self._told(fact, future))

    async def drain(self) -> None:
        """Waits until nothing is under way."""
        await self._hop.coalescer.drain()
        if self._retries:
            await asyncio.wait(self._retries)

    def _ask(
        self, fact: context_service_pb2.DecisionFact
    ) -> Leg[context_service_pb2.DecisionFact, context_service_pb2.RecordResult]:
        return self._hop.ask(fact, until=time.monotonic() + self._seconds, bulk=False)

    def _told(
        self, fact: context_service_pb2.DecisionFact, future: asyncio.Future[context_service_pb2.RecordResult]
    ) -> None:
        if not future.cancelled() and future.exception() is not None:
            retry = asyncio.get_running_loop().create_task(self._again(fact))
            self._retries.add(retry)
            retry.add_done_callback(self._retries.discard)

    async def _again(self, fact: context_service_pb2.DecisionFact) -> None:
        await asyncio.sleep(_RETRY_SECONDS)
        try:
            await self._ask(fact).result()
        except MoatError:
            BACKGROUND_FAILURES.inc()
