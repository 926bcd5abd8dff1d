"""One long StreamModerate call: lists out, results in, opened again when it breaks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

import grpc
from moat.moderation.v1 import moderation_pb2, moderation_service_pb2, moderation_service_pb2_grpc
from moat_client.coalescer import Pending
from moat_client.errors import MoatError, closed, from_rpc, from_status

Item = moderation_pb2.ModerationItem
Result = moderation_pb2.Decision
Waiting = Pending[Item, Result]
Token = Callable[[], str]
_MEANING = ("user_id", "channel_id", "target_user_ids", "surface", "content", "do_not_store")
"""What makes a repeat of an item the same; how long there is for it and in which trace does not."""

_Call = grpc.aio.StreamStreamCall[
    moderation_service_pb2.StreamModerateRequest, moderation_service_pb2.StreamModerateResponse
]


class ModerationStream:
    """Sends lists and settles each item when its result comes. Items that were not answered when the stream broke fail
    with the stream's error; asking again by the same request id is safe."""

    def __init__(self, stub: moderation_service_pb2_grpc.ModerationServiceStub, token: Token) -> None:
        """`token` is asked for whenever a stream is opened; what it raises fails the list that wanted to be sent."""
        self._stub = stub
        self._token = token
        self._closed = False
        self._call: _Call | None = None
        self._readers: set[asyncio.Task[None]] = set()
        self._unanswered = _Unanswered()
        self._writing = asyncio.Lock()

    async def send(self, batch: Sequence[Waiting]) -> None:
        """Returns when every item of the list is settled."""
        async with self._writing:
            # Whoever gave up while others were writing is not asked for any more.
            patient = [pending for pending in batch if not pending.future.done()]
            if not patient:
                return
            call = self._open()
            fresh = [pending for pending in patient if self._unanswered.add(pending)]
            if fresh:
                request = moderation_service_pb2.StreamModerateRequest(items=[pending.item for pending in fresh])
                # What cannot be written is settled by the reader, which sees the same end, with its reason.
                with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError, grpc.aio.UsageError):
                    await call.write(request)
        await asyncio.wait([pending.future for pending in patient])

    async def close(self) -> None:
        """Ends the stream; what is not answered fails."""
        self._closed = True
        if self._call is not None:
            self._call.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)

    def _open(self) -> _Call:
        if self._closed:
            raise closed()
        if self._call is None or self._call.done():
            self._call = self._stub.StreamModerate(None, metadata=(("authorization", f"Bearer {self._token()}"),))
            # Each call has its own: the next one may be opened before the reader of this one has seen its end.
            self._unanswered = _Unanswered()
            reader = asyncio.create_task(self._read(self._call, self._unanswered))
            self._readers.add(reader)
            reader.add_done_callback(self._readers.discard)
        return self._call

    async def _read(self, call: _Call, unanswered: _Unanswered) -> None:
        error = MoatError(grpc.StatusCode.UNAVAILABLE, "the stream ended")
        try:
            async for response in call:
                for result in response.results:
                    unanswered.settle(result)
        except grpc.aio.AioRpcError as failed:
            error = from_rpc(failed)
        except asyncio.CancelledError:
            error = MoatError(grpc.StatusCode.UNAVAILABLE, "the stream was cancelled")
        finally:
            unanswered.fail(closed() if self._closed else error)


class _Unanswered:
    """The items of one call that wait for their results, by request id."""

    def __init__(self) -> None:
        self._first: dict[str, Waiting] = {}
        self._behind: dict[str, list[Waiting]] = {}
        """Repeats of what is in flight: each has a result of its own, and any of them will do."""

    def add(self, pending: Waiting) -> bool:
        """Whether it may be sent; if not it is settled."""
        request_id = pending.item.request_id
        first = self._first.get(request_id)
        if first is None:
            self._first[request_id] = pending
        elif _asks_the_same(first.item, pending.item):
            self._behind.setdefault(request_id, []).append(pending)
        else:
            # Results name nothing but the id: one of the two would get the other's.
            message = "the request id is in flight with other content; use a new id"
            pending.fail(MoatError(grpc.StatusCode.ALREADY_EXISTS, message, reason="REQUEST_ID_IN_FLIGHT"))
            return False
        return True

    def settle(self, result: moderation_service_pb2.ModerationResult) -> None:
        pending = self._first.pop(result.request_id, None)
        if pending is None:
            return
        if self._behind and (behind := self._behind.pop(result.request_id, None)):
            self._first[result.request_id], *left = behind
            if left:
                self._behind[result.request_id] = left
        if result.HasField("error"):
            pending.fail(from_status(result.error))
        else:
            pending.resolve(result.decision)

    def fail(self, error: MoatError) -> None:
        for pending in (*self._first.values(), *(one for behind in self._behind.values() for one in behind)):
            pending.fail(error)


def _asks_the_same(one: Item, other: Item) -> bool:
    return all(getattr(one, field) == getattr(other, field) for field in _MEANING)
