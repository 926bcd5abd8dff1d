"""One stream of a chat server: reads while there is room, answers what is ready, ends when it must."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from moat.moderation.v1 import moderation_service_pb2

from gateway.metrics import STREAMS
from gateway.results import Results
from services.runtime.errors import DependencyDown, MoatError, OverQuota

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.desk import Answer, Outcome
    from gateway.intake import Intake
    from gateway.items import Arrival
    from services.runtime.principal import Principal

    Request = moderation_service_pb2.StreamModerateRequest
    Response = moderation_service_pb2.StreamModerateResponse

_TOKEN_CHECK_SECONDS = 1.0
_MAX_RESULTS = 256
_LONGEST_PAUSE = 0.25
"""Seconds for which a stream is not read whose tenant has too much waiting; not longer, for it may be gone by then."""


class Stream:
    """Items in, answers out, in the order in which they are ready. What is ready together leaves together."""

    def __init__(self, intake: Intake, principal: Principal, arrival: Arrival, *, unanswered_limit: int) -> None:
        """`arrival` is what the call's items have in common; past `unanswered_limit` nothing more is read."""
        self._intake = intake
        self._principal = principal
        self._arrival = arrival
        self._limit = unanswered_limit
        self._open: dict[Answer, str] = {}
        self._ready: list[tuple[str, Outcome]] = []
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._closed = False
        self._error: MoatError | None = None
        self._reader: asyncio.Task[None] | None = None

    async def serve(self, requests: AsyncIterator[Request]) -> AsyncIterator[Response]:
        """Ends when the caller has sent all and everything is answered, or raises what ended it before; then too it
        first answers what it has read."""
        self._reader = asyncio.create_task(self._read(requests))
        ticker = asyncio.create_task(self._tick())
        try:
            while self._open or self._ready or not self._closed:
                await self._wake.wait()
                self._wake.clear()
                while self._ready:
                    yield self._response()
        finally:
            ticker.cancel()
            self._reader.cancel()
            for answer in list(self._open):
                answer.cancel()
        if self._error is not None:
            raise self._error

    def end(self, error: MoatError) -> None:
        """Reads no more; what has been read is still answered."""
        self._error = self._error or error
        self._closed = True
        self._wake.set()
        if self._reader is not None:
            self._reader.cancel()

    def check_token(self) -> None:
        """Ends the stream if its token has expired."""
        try:
            self._principal.require_fresh(time.time())
        except MoatError as error:
            self.end(error)

    async def _read(self, requests: AsyncIterator[Request]) -> None:
        try:
            async for request in requests:
                self._principal.require_fresh(time.time())
                refused = self._take(request)
                if refused is not None:
                    # Who asks for more than there is room for would make refusing the load. What waits of its tenant's is
                    # work enough until then, and its transport pushes back.
                    await asyncio.sleep(min(refused.retry_after_seconds, _LONGEST_PAUSE))
                while len(self._open) >= self._limit:
                    self._room.clear()
                    await self._room.wait()
        except MoatError as error:
            self.end(error)
        finally:
            self._closed = True
            self._wake.set()

    def _take(self, request: Request) -> OverQuota | None:
        """The refusal of what there was no room for."""
        refused = None
        for request_id, answer in self._intake.take(request, self._arrival.again()):
            if isinstance(answer, MoatError):
                refused = answer if isinstance(answer, OverQuota) else refused
                self._ready.append((request_id, answer))
                self._wake.set()
            else:
                self._open[answer] = request_id
                answer.add_done_callback(self._answered)
        return refused

    def _answered(self, answer: Answer) -> None:
        request_id = self._open.pop(answer)
        if not answer.cancelled():
            self._ready.append((request_id, answer.result()))
        self._wake.set()
        if len(self._open) < self._limit:
            self._room.set()

    def _response(self) -> Response:
        results = Results()
        for request_id, outcome in self._ready[:_MAX_RESULTS]:
            results.add(request_id, outcome)
        del self._ready[:_MAX_RESULTS]
        return moderation_service_pb2.StreamModerateResponse(results=results.gathered)

    async def _tick(self) -> None:
        while not self._closed:
            await asyncio.sleep(_TOKEN_CHECK_SECONDS)
            self.check_token()


class Streams:
    """All streams that are open."""

    def __init__(self) -> None:
        """None is."""
        self._open: set[Stream] = set()
        self._draining = False

    async def serve(self, stream: Stream, requests: AsyncIterator[Request]) -> AsyncIterator[Response]:
        """See `Stream.serve`."""
        self._open.add(stream)
        STREAMS.set(len(self._open))
        try:
            if self._draining:
                stream.end(_draining())
            async for response in stream.serve(requests):
                yield response
        finally:
            self._open.discard(stream)
            STREAMS.set(len(self._open))

    async def end_on(self, draining: asyncio.Event) -> None:
        """Waits for the server to drain, then ends all streams, those included that are just opening."""
        await draining.wait()
        self._draining = True
        for stream in list(self._open):
            stream.end(_draining())


def _draining() -> DependencyDown:
    message = "this gateway is going away; open the stream again"
    return DependencyDown(message, reason="DRAINING", retry_after_seconds=0.05)
