"""One long StreamModerate call: lists out, results in, opened again when it breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import grpc
from moat.moderation.v1 import moderation_pb2, moderation_service_pb2, moderation_service_pb2_grpc
from moat_client.coalescer import Pending
from moat_client.errors import MoatError, from_rpc, from_status

Item = moderation_pb2.ModerationItem
Result = moderation_pb2.Decision
Waiting = Pending[Item, Result]
Token = Callable[[], str]

_Call = grpc.aio.StreamStreamCall[
    moderation_service_pb2.StreamModerateRequest, moderation_service_pb2.StreamModerateResponse
]


class ModerationStream:
    """Sends lists and settles each item when its result comes. Items that were not answered when the stream broke fail
    with the stream's error; asking again by the same request id is safe."""

    def __init__(self, stub: moderation_service_pb2_grpc.ModerationServiceStub, token: Token) -> None:
        """`token` is asked for whenever a stream is opened."""
        self._stub = stub
        self._token = token
        self._call: _Call | None = None
        self._reader: asyncio.Task[None] | None = None
        self._waiting: dict[str, Waiting] = {}
        self._writing = asyncio.Lock()

    async def send(self, batch: Sequence[Waiting]) -> None:
        """Returns when every item of the list is settled."""
        fresh = [pending for pending in batch if pending.item.request_id not in self._waiting]
        for pending in batch:
            if pending not in fresh:
                pending.fail(
                    MoatError(grpc.StatusCode.ALREADY_EXISTS, "the request id is in flight", reason="IN_FLIGHT")
                )
        self._waiting.update((pending.item.request_id, pending) for pending in fresh)
        try:
            async with self._writing:
                call = self._open()
                await call.write(
                    moderation_service_pb2.StreamModerateRequest(items=[pending.item for pending in fresh])
                )
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError, grpc.aio.UsageError):
            # The reader sees the same end, with its reason, and settles what waits.
            if self._reader is None:
                self._fail_all(MoatError(grpc.StatusCode.UNAVAILABLE, "the stream could not be opened"))
        await asyncio.wait([pending.future for pending in fresh])

    async def close(self) -> None:
        """Ends the stream; nothing may wait any more."""
        if self._call is not None:
            self._call.cancel()
        if self._reader is not None:
            await asyncio.gather(self._reader, return_exceptions=True)

    def _open(self) -> _Call:
        if self._call is None or self._call.done():
            call = self._stub.StreamModerate(None, metadata=(("authorization", f"Bearer {self._token()}"),))
            self._call = call
            self._reader = asyncio.create_task(self._read(call))
        return self._call

    async def _read(self, call: _Call) -> None:
        error = MoatError(grpc.StatusCode.UNAVAILABLE, "the stream ended")
        try:
            async for response in call:
                for result in response.results:
                    self._settle(result)
        except grpc.aio.AioRpcError as failed:
            error = from_rpc(failed)
        except asyncio.CancelledError:
            error = MoatError(grpc.StatusCode.UNAVAILABLE, "the stream was closed")
        if self._call is call:
            self._call = None
            self._fail_all(error)

    def _settle(self, result: moderation_service_pb2.ModerationResult) -> None:
        pending = self._waiting.pop(result.request_id, None)
        if pending is None:
            return
        if result.HasField("error"):
            pending.fail(from_status(result.error))
        else:
            pending.resolve(result.decision)

    def _fail_all(self, error: MoatError) -> None:
        waiting, self._waiting = self._waiting, {}
        for pending in waiting.values():
            pending.fail(error)
