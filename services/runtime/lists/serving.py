"""The serving end of a list RPC: each list is answered by itself, and its parts leave as soon as they are ready."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Generic, TypeVar, cast

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")
ServicerT = TypeVar("ServicerT")
ContextT = TypeVar("ContextT")

_MOST_LISTS = 64
"""Lists of one stream that are worked on at a time. Callers keep fewer; past it the transport pushes back."""


def each_list(
    answer: Callable[[ServicerT, RequestT, ContextT], AsyncIterator[ResponseT]],
) -> Callable[[ServicerT, AsyncIterator[RequestT], ContextT], AsyncIterator[ResponseT]]:
    """Says that a servicer's method answers one list, and that the server's guard makes a stream of lists out of it."""
    return cast("Callable[[ServicerT, AsyncIterator[RequestT], ContextT], AsyncIterator[ResponseT]]", answer)


class ListStream(Generic[RequestT, ResponseT]):
    """One caller's stream. Belongs to one event loop."""

    def __init__(
        self, answer: Callable[[RequestT], AsyncIterator[ResponseT]], draining: asyncio.Event, going_away: ResponseT
    ) -> None:
        """`answer` yields the parts of one list's answer and never raises; `going_away` is sent when `draining` is set."""
        self._answer = answer
        self._draining = draining
        self._going_away = going_away
        self._ready: deque[ResponseT] = deque()
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._lists: set[asyncio.Task[None]] = set()
        self._ended = False
        self._error: Exception | None = None

    async def serve(self, requests: AsyncIterator[RequestT]) -> AsyncIterator[ResponseT]:
        """Ends when the caller has sent all and everything is answered. Raises what reading raised, after that."""
        beside = [asyncio.create_task(self._read(requests)), asyncio.create_task(self._take_leave())]
        try:
            while self._lists or self._ready or not self._ended:
                await self._wake.wait()
                self._wake.clear()
                while self._ready:
                    yield self._ready.popleft()
        finally:
            for task in (*beside, *self._lists):
                task.cancel()
        if self._error is not None:
            raise self._error

    async def _read(self, requests: AsyncIterator[RequestT]) -> None:
        try:
            async for request in requests:
                task = asyncio.create_task(self._answer_list(request))
                self._lists.add(task)
                task.add_done_callback(self._answered)
                while len(self._lists) >= _MOST_LISTS:
                    self._room.clear()
                    await self._room.wait()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told once what was read is answered
            self._error = error
        finally:
            self._ended = True
            self._wake.set()

    async def _answer_list(self, request: RequestT) -> None:
        async for part in self._answer(request):
            self._put(part)

    def _answered(self, task: asyncio.Task[None]) -> None:
        self._lists.discard(task)
        self._room.set()
        self._wake.set()

    async def _take_leave(self) -> None:
        await self._draining.wait()
        self._put(self._going_away)

    def _put(self, part: ResponseT) -> None:
        self._ready.append(part)
        self._wake.set()
