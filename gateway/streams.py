"""The streams of chat servers, and all long calls that are open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moat.moderation.v1 import moderation_service_pb2

from gateway.long_call import LongCall, RequestT, ResponseT
from gateway.metrics import STREAMS
from gateway.results import Results
from services.runtime.errors import DependencyDown, MoatError, OverQuota

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator

    from gateway.intake import Intake
    from gateway.items import Arrival
    from services.runtime.principal import Principal

    Request = moderation_service_pb2.StreamModerateRequest
    Response = moderation_service_pb2.StreamModerateResponse

_MAX_RESULTS = 256


class Stream(LongCall["Request", "Response", str]):
    """One stream of a chat server. What is ready together leaves together, each by its request id."""

    def __init__(self, intake: Intake, principal: Principal, arrival: Arrival, *, unanswered_limit: int) -> None:
        """`arrival` is what the call's items have in common."""
        super().__init__(principal, unanswered_limit=unanswered_limit)
        self._intake = intake
        self._arrival = arrival

    async def _take(self, request: Request) -> OverQuota | None:
        refused = None
        for request_id, answer in self._intake.take(request, self._arrival.again()):
            refused = answer if isinstance(answer, OverQuota) else refused
            self._add(request_id, answer)
        return refused

    def _response(self) -> Response:
        results = Results()
        for request_id, outcome in self._ready[:_MAX_RESULTS]:
            results.add(request_id, outcome)
        del self._ready[:_MAX_RESULTS]
        return moderation_service_pb2.StreamModerateResponse(results=results.gathered)


class Streams:
    """All long calls that are open."""

    def __init__(self) -> None:
        """None is."""
        self._open: set[LongCall[Any, Any, Any]] = set()
        self._draining = False

    async def serve(
        self, call: LongCall[RequestT, ResponseT, Any], requests: AsyncIterator[RequestT]
    ) -> AsyncIterator[ResponseT]:
        """See `LongCall.serve`."""
        self._open.add(call)
        STREAMS.set(len(self._open))
        try:
            if self._draining:
                call.end(_draining())
            async for response in call.serve(requests):
                yield response
        finally:
            self._open.discard(call)
            STREAMS.set(len(self._open))

    async def end_on(self, draining: asyncio.Event) -> None:
        """Waits for the server to drain, then ends all of them, those included that are just opening."""
        await draining.wait()
        self._draining = True
        for call in list(self._open):
            call.end(_draining())


def _draining() -> MoatError:
    message = "this gateway is going away; open the stream again"
    return DependencyDown(message, reason="DRAINING", retry_after_seconds=0.05)
