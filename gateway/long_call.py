"""A call that lives for hours: reads while there is room, answers what is ready, ends when it must."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Generic, TypeVar

from services.runtime.errors import MoatError, OverQuota

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.desk import Answer, Outcome
    from services.runtime.principal import Principal

_TOKEN_CHECK_SECONDS = 1.0
_LONGEST_PAUSE = 0.25
"""Seconds for which a call is not read whose tenant has too much waiting; not longer, for it may be gone by then."""

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")
KeyT = TypeVar("KeyT")


class LongCall(ABC, Generic[RequestT, ResponseT, KeyT]):
    """Items in, answers out, in the order in which they are ready. `KeyT` is what an item goes by in its answer."""

    def __init__(self, principal: Principal, *, unanswered_limit: int) -> None:
        """Past `unanswered_limit` nothing more is read."""
        self._principal = principal
        self._limit = unanswered_limit
        self._open: dict[Answer, KeyT] = {}
        self._ready: list[tuple[KeyT, Outcome]] = []
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._closed = False
        self._error: MoatError | None = None
        self._reader: asyncio.Task[None] | None = None

    @abstractmethod
    async def _take(self, request: RequestT) -> OverQuota | None:
        """Takes in what a message brings, by `_add`; returns the refusal of what there was no room for. Raises MoatError, which
        ends the call."""

    @abstractmethod
    def _response(self) -> ResponseT:
        """Takes from `_ready`, which is not empty, what goes into the next message."""

    async def _finish(self) -> None:
        """Nothing more is read: takes in, by `_add`, what came and was not whole."""

    async def serve(self, requests: AsyncIterator[RequestT]) -> AsyncIterator[ResponseT]:
        """Ends when the caller has sent all and everything is answered, or raises what ended it before; then too it
        first answers what it has read."""
        if self._error is None:
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
            if self._reader is not None:
                self._reader.cancel()
            for answer in list(self._open):
                answer.cancel()
        if self._error is not None:
            raise self._error

    def end(self, error: MoatError) -> None:
        """Reads no more; what has been read is still answered."""
        if self._error is not None:
            return
        self._error = error
        if self._reader is None:
            self._close()
        else:
            self._reader.cancel()

    def check_token(self) -> None:
        """Ends the call if its token has expired."""
        try:
            self._principal.require_fresh(time.time())
        except MoatError as error:
            self.end(error)

    def _add(self, key: KeyT, answer: Answer | MoatError) -> None:
        """One more item, to be answered or answered already."""
        if isinstance(answer, MoatError):
            self._ready.append((key, answer))
            self._wake.set()
        else:
            self._open[answer] = key
            answer.add_done_callback(self._answered)

    async def _read(self, requests: AsyncIterator[RequestT]) -> None:
        try:
            await self._read_all(requests)
        except MoatError as error:
            self._error = self._error or error
        except asyncio.CancelledError:
            if self._error is None:
                # Nobody is there any more.
                raise
        try:
            await self._finish()
        finally:
            self._close()

    async def _read_all(self, requests: AsyncIterator[RequestT]) -> None:
        async for request in requests:
            self._principal.require_fresh(time.time())
            refused = await self._take(request)
            if refused is not None:
                # Who asks for more than there is room for would make refusing the load. What waits of its tenant's is
                # work enough until then, and its transport pushes back.
                await asyncio.sleep(min(refused.retry_after_seconds, _LONGEST_PAUSE))
            while len(self._open) >= self._limit:
                self._room.clear()
                await self._room.wait()

    def _close(self) -> None:
        self._closed = True
        self._wake.set()

    def _answered(self, answer: Answer) -> None:
        key = self._open.pop(answer)
        if not answer.cancelled():
            self._ready.append((key, answer.result()))
        self._wake.set()
        if len(self._open) < self._limit:
            self._room.set()

    async def _tick(self) -> None:
        while not self._closed:
            await asyncio.sleep(_TOKEN_CHECK_SECONDS)
            self.check_token()
