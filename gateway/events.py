"""Takes in what happened around the contents, and hands it to context."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from moat.context.v1 import context_service_pb2
from moat.mesh.v1 import item_pb2
from moat.moderation.v1 import moderation_service_pb2

from services.runtime import validation
from services.runtime.errors import MoatError

if TYPE_CHECKING:
    from gateway.hops import Hop, Leg
    from gateway.items import Arrival

    EventLeg = Leg[context_service_pb2.EventItem, context_service_pb2.RecordResult]
    EventsHop = Hop[context_service_pb2.EventItem, context_service_pb2.RecordResult]

_SECONDS = 5.0


class Events:
    """Events are not queued with the items: they are cheap, and nobody waits long for them."""

    def __init__(self, hop: EventsHop) -> None:
        """`hop` records events."""
        self._hop = hop

    async def ingest(
        self, request: moderation_service_pb2.IngestEventsRequest, arrival: Arrival
    ) -> list[moderation_service_pb2.EventResult]:
        """One result per event, in order. Raises InvalidRequest for the list itself."""
        wrong = validation.check_list(request, "events")
        until = min(arrival.deadline, time.monotonic() + _SECONDS)
        asked = [
            wrong[index] if index in wrong else self._hop.ask(_item(event, arrival, until), until=until, bulk=True)
            for index, event in enumerate(request.events)
        ]
        return [await _result(event.event_id, leg) for event, leg in zip(request.events, asked, strict=True)]


def _item(event: context_service_pb2.Event, arrival: Arrival, until: float) -> context_service_pb2.EventItem:
    return context_service_pb2.EventItem(
        context=item_pb2.ItemContext(
            tenant=arrival.tenant.name,
            environment=arrival.environment,
            traceparent=arrival.traceparent if len(arrival.traceparent) == 55 else "",  # noqa: PLR2004 - W3C's length
            deadline_unix_nanos=arrival.wall_nanos(until),
            priority=item_pb2.PRIORITY_BULK,
        ),
        event=event,
    )


async def _result(event_id: str, asked: EventLeg | MoatError) -> moderation_service_pb2.EventResult:
    if isinstance(asked, MoatError):
        return moderation_service_pb2.EventResult(event_id=event_id, error=asked.to_status())
    try:
        result = await asked.result()
    except MoatError as error:
        return moderation_service_pb2.EventResult(event_id=event_id, error=error.to_status())
    return moderation_service_pb2.EventResult(event_id=event_id, replayed=result.replayed)
