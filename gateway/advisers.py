"""Who is asked before a decision is made: detection about each part, context and enforcement about the author, all at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.rpc import code_pb2
from moat.context.v1 import context_service_pb2
from moat.detection.v1 import detection_service_pb2
from moat.enforcement.v1 import effect_service_pb2

from gateway.hops import Hop, ResultT, reason_of
from gateway.known import Known, of_part
from gateway.metrics import DEGRADATIONS
from gateway.parts import FILES
from services.runtime.errors import MoatError, code_of

if TYPE_CHECKING:
    from gateway.hops import Leg
    from gateway.items import Item
    from gateway.parts import Part

    DetectionHop = Hop[detection_service_pb2.ScoreItem, detection_service_pb2.ScoreResult]


@dataclass(frozen=True, slots=True)
class Advisers:
    """The hops that know something."""

    detection: DetectionHop
    images: DetectionHop
    """Detection too, by lists of its own: no line waits for a picture."""
    sounds: DetectionHop
    """Likewise."""
    context: Hop[context_service_pb2.ContextItem, context_service_pb2.ContextResult]
    restrictions: Hop[effect_service_pb2.SubjectItem, effect_service_pb2.SubjectResult]

    async def ask(self, item: Item, subject: context_service_pb2.ContextItem) -> Known:
        """Who does not answer in time is named, and policy knows what to do about it. Raises MoatError when detection says that
        the content is none."""
        scoring = [self._score(item, part) for part in item.parts]
        until = self.context.until(item)
        subject.context.deadline_unix_nanos = item.arrival.wall_nanos(until)
        context = self.context.ask(subject, until=until, bulk=item.bulk)
        until = self.restrictions.until(item)
        restrictions = self.restrictions.ask(
            effect_service_pb2.SubjectItem(
                context=item.context_until(until), user_id=item.message.user_id, channel_id=item.message.channel_id
            ),
            until=until,
            bulk=item.bulk,
        )
        item.legs += (*scoring, context, restrictions)
        known = Known()
        for part, leg in zip(item.parts, scoring, strict=True):
            known.add(part, await _or_missing(leg, known, part))
        for name in known.degraded:
            DEGRADATIONS.labels(name, "detection").inc()
        if (seen := await _or_missing(context, known)) is not None:
            known.features = seen.features
        if (held := await _or_missing(restrictions, known)) is not None:
            known.restrictions = held.restrictions
        if known.refusal is not None:
            raise known.refusal
        return known

    def _score(self, item: Item, part: Part) -> Leg[detection_service_pb2.ScoreItem, detection_service_pb2.ScoreResult]:
        hop = {"image": self.images, "audio": self.sounds}.get(part.kind, self.detection)
        until = hop.until(item)
        message = detection_service_pb2.ScoreItem(
            context=item.context_until(until), content=part.content, surface=item.surface
        )
        return hop.ask(message, until=until, bulk=item.bulk)


async def _or_missing(leg: Leg[Any, ResultT], known: Known, part: Part | None = None) -> ResultT | None:
    try:
        return await leg.result()
    except MoatError as error:
        if part is not None and part.kind in FILES and code_of(error) == code_pb2.INVALID_ARGUMENT:
            known.refusal = known.refusal or of_part(error, part)
            return None
        known.lack(leg.part)
        DEGRADATIONS.labels(leg.part, reason_of(error)).inc()
        return None
    finally:
        if part is not None:
            # The leg lives on in the trace; its copy of the content need not.
            leg.message.ClearField("content")
