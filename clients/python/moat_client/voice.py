"""A voice that is decided while it is spoken: sound goes in, what became of each utterance comes out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Self

import grpc
from moat.moderation.v1 import moderation_service_pb2
from moat_client.errors import MoatError, closed, from_rpc, from_status
from moat_client.types import Decision, decision_of

MAX_SOUND_BYTES = 64 * 1024
"""Of a message."""

Call = grpc.aio.StreamStreamCall[
    moderation_service_pb2.ModerateVoiceRequest, moderation_service_pb2.ModerateVoiceResponse
]


@dataclass(frozen=True, slots=True)
class Utterance:
    """A stretch of speech, and what became of it."""

    number: int
    """Counted from 0; they may be answered in another order."""
    interval: tuple[float, float]
    """Seconds from the voice's beginning. Findings of its decision count from the utterance's."""
    outcome: Decision | MoatError
    """An error decided nothing about this utterance; the voice goes on."""


class Voice:
    """One call: `async with moat.voice(…) as voice`. Send and read at the same time, from two tasks. It is not opened again when
    it breaks: what was sent and not answered is not decided, and another voice needs another id."""

    def __init__(self, call: Call, start: moderation_service_pb2.VoiceStart) -> None:
        """See `Moat.voice`."""
        self._call = call
        self._start = start
        self._sent_all = False

    async def __aenter__(self) -> Self:
        """Says who speaks."""
        await self._write(moderation_service_pb2.ModerateVoiceRequest(start=self._start))
        return self

    async def __aexit__(self, *_: object) -> None:
        """Gives up what is not answered."""
        self._call.cancel()

    async def send(self, sound: bytes) -> None:
        """More of it: whole 16-bit signed little-endian samples, one channel. Waits while the mesh has enough. Raises MoatError
        when the call has ended."""
        for at in range(0, len(sound), MAX_SOUND_BYTES):
            await self._write(moderation_service_pb2.ModerateVoiceRequest(sound=sound[at : at + MAX_SOUND_BYTES]))

    async def finish(self) -> None:
        """There is no more; the iteration ends when everything is answered."""
        if not self._sent_all:
            self._sent_all = True
            try:
                await self._call.done_writing()
            except (asyncio.InvalidStateError, grpc.aio.UsageError):
                await self._raise_end()

    async def __aiter__(self) -> AsyncIterator[Utterance]:
        """What became of each utterance, as soon as it is there. Raises MoatError when the call breaks."""
        try:
            async for response in self._call:
                yield _utterance(response)
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error) from error
        except asyncio.CancelledError:
            if self._call.cancelled() and not _is_cancelled():
                raise closed() from None
            raise

    async def _write(self, request: moderation_service_pb2.ModerateVoiceRequest) -> None:
        try:
            await self._call.write(request)
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error) from error
        except (asyncio.InvalidStateError, grpc.aio.UsageError):
            await self._raise_end()

    async def _raise_end(self) -> None:
        """Raises what the call ended with."""
        if self._call.cancelled():
            raise closed()
        code, details = await self._call.code(), await self._call.details()
        raise MoatError(code, details or "the call has ended")


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _utterance(response: moderation_service_pb2.ModerateVoiceResponse) -> Utterance:
    interval = response.interval
    return Utterance(
        response.utterance,
        (interval.start_millis / 1000, interval.end_millis / 1000),
        from_status(response.error) if response.HasField("error") else decision_of(response.decision),
    )
