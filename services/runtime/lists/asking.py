"""The asking end of a list RPC: one stream to a service, opened on first use and again when it has ended."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
from google.rpc import status_pb2

from services.runtime.errors import DependencyDown, MoatError, OutOfTime, RemoteError, from_rpc_error

AnyCall = grpc.aio.StreamStreamCall[Any, Any]


class ListResult(Protocol):
    """One result of a list RPC: which item it is for, and its error if it has one."""

    @property
    def index(self) -> int:
        """Position of the item in the request."""

    @property
    def error(self) -> status_pb2.Status:
        """Absent when there is none."""


class ListResponse(Protocol):
    """A part of a list's answer."""

    @property
    def results(self) -> Sequence[Any]:
        """`ListResult`s of items that finished together; may be empty."""


Answered = Callable[[Any], None]
"""Is handed each part (a `ListResponse`) as it comes. Must not block."""


class ListCaller:
    """One list RPC of one service. What was on its way when a stream ends fails; the next list opens a new one."""

    def __init__(self, call: Any, *, peer: str, apart: bool = False) -> None:  # noqa: ANN401 - grpc's own type is narrower than what is needed here
        """`call` is a stub's multicallable; `peer` is named in errors. `apart` makes a call of each list: for measuring what
        streams are worth."""
        self._call = call
        self._peer = peer
        self._apart = apart
        self._numbers = itertools.count(1)
        self._stream: _Stream | None = None

    async def ask(self, request: Any, *, timeout: float, answered: Answered) -> None:  # noqa: ANN401, ASYNC109 - any list message; it ends the list, not only our wait
        """Returns when every item of the list has its result. Raises MoatError when the rest will have none."""
        request.list = next(self._numbers)
        stream = self._stream
        if stream is None or not stream.open or self._apart:
            stream = self._stream = _Stream(self._call(), self._peer)
        try:
            async with asyncio.timeout(timeout):
                await stream.ask(request, answered)
                if self._apart:
                    await stream.end()
        except TimeoutError:
            raise OutOfTime(f"{self._peer} did not answer in time", metadata={"peer": self._peer}) from None


@dataclass(slots=True, eq=False)
class _Asked:
    answered: Answered
    left: int
    over: asyncio.Future[None]


class _Stream:
    def __init__(self, call: AnyCall, peer: str) -> None:
        self.open = True
        """Whether it takes more lists."""
        self._call = call
        self._peer = peer
        self._lists: dict[int, _Asked] = {}
        self._writing = asyncio.Lock()
        self._tasks = {asyncio.create_task(self._read())}

    async def ask(self, request: Any, answered: Answered) -> None:  # noqa: ANN401
        asked = _Asked(answered, len(request.items), asyncio.get_running_loop().create_future())
        self._lists[request.list] = asked
        try:
            async with self._writing:
                await self._call.write(request)
            await asked.over
        except (grpc.aio.AioRpcError, grpc.aio.UsageError, asyncio.InvalidStateError):
            # The call has ended, and the reader knows why.
            await asked.over
        finally:
            del self._lists[request.list]

    async def end(self) -> None:
        """No more lists; what is on its way is still answered."""
        self.open = False
        async with self._writing:
            await self._call.done_writing()

    async def _read(self) -> None:
        error: MoatError = DependencyDown(f"{self._peer} ended the call", metadata={"peer": self._peer})
        try:
            while (response := await self._call.read()) is not grpc.aio.EOF:  # type: ignore[attr-defined]  # missing in the stubs
                self._take(response)
        except grpc.aio.AioRpcError as failed:
            error = from_rpc_error(failed, self._peer)
        finally:
            self.open = False
            for asked in self._lists.values():
                if not asked.over.done():
                    asked.over.set_exception(error)

    def _take(self, response: Any) -> None:  # noqa: ANN401
        if not response.list:
            self._tasks.add(asyncio.create_task(self.end()))
            return
        asked = self._lists.get(response.list)
        if asked is None or asked.over.done():
            return
        asked.answered(response)
        asked.left -= len(response.results)
        if response.HasField("error"):
            asked.over.set_exception(RemoteError(response.error))
        elif asked.left <= 0:
            asked.over.set_result(None)
