"""ModerationService: from calls to the intake and back, nothing else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from moat.moderation.v1 import moderation_service_pb2, moderation_service_pb2_grpc

from gateway.results import Results
from gateway.streams import Stream
from services.runtime.errors import MoatError
from services.runtime.principal import current_principal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.events import Events
    from gateway.intake import AnyContext, Intake
    from gateway.streams import Streams
    from gateway.voices.voices import Voices


class ModerationServicer(moderation_service_pb2_grpc.ModerationServiceServicer):
    """The public API. Identity, permission and deadline have been checked by the runtime's guard."""

    def __init__(
        self, intake: Intake, events: Events, streams: Streams, voices: Voices, *, stream_unanswered_limit: int
    ) -> None:
        """See `wiring`."""
        self._intake = intake
        self._voices = voices
        self._events = events
        self._streams = streams
        self._stream_unanswered_limit = stream_unanswered_limit

    async def Moderate(
        self, request: moderation_service_pb2.ModerateRequest, context: AnyContext
    ) -> moderation_service_pb2.ModerateResponse:
        """Decides one item."""
        arrival = self._intake.arrival(current_principal(), context)
        answer = self._intake.take_one(request.item, arrival)
        outcome = answer if isinstance(answer, MoatError) else await answer
        if isinstance(outcome, MoatError):
            raise outcome
        return moderation_service_pb2.ModerateResponse(decision=outcome)

    async def BatchModerate(
        self, request: moderation_service_pb2.BatchModerateRequest, context: AnyContext
    ) -> moderation_service_pb2.BatchModerateResponse:
        """Decides a list; in the order of the items."""
        answers = self._intake.take(request, self._intake.arrival(current_principal(), context))
        results = Results()
        try:
            for request_id, answer in answers:
                results.add(request_id, answer if isinstance(answer, MoatError) else await answer)
        except asyncio.CancelledError:
            for _, answer in answers:
                if not isinstance(answer, MoatError):
                    answer.cancel()
            raise
        return moderation_service_pb2.BatchModerateResponse(results=results.gathered)

    async def StreamModerate(
        self, request_iterator: AsyncIterator[moderation_service_pb2.StreamModerateRequest], context: AnyContext
    ) -> AsyncIterator[moderation_service_pb2.StreamModerateResponse]:
        """Decides whatever arrives, each answer as soon as it is there."""
        principal = current_principal()
        stream = Stream(
            self._intake,
            principal,
            self._intake.arrival(principal, context),
            unanswered_limit=self._stream_unanswered_limit,
        )
        async for response in self._streams.serve(stream, request_iterator):
            yield response

    async def ModerateVoice(
        self, request_iterator: AsyncIterator[moderation_service_pb2.ModerateVoiceRequest], context: AnyContext
    ) -> AsyncIterator[moderation_service_pb2.ModerateVoiceResponse]:
        """Decides a voice while it is spoken."""
        principal = current_principal()
        voice = self._voices.voice(principal, self._intake.arrival(principal, context))
        with self._voices.room.one_more(principal.tenant):
            async for response in self._streams.serve(voice, request_iterator):
                yield response

    async def IngestEvents(
        self, request: moderation_service_pb2.IngestEventsRequest, context: AnyContext
    ) -> moderation_service_pb2.IngestEventsResponse:
        """Takes in what happened around the contents."""
        results = await self._events.ingest(request, self._intake.arrival(current_principal(), context))
        return moderation_service_pb2.IngestEventsResponse(results=results)
