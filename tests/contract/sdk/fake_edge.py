# ruff: noqa: N802 - methods are named as RPCs are
"""What the SDK sees of a mesh: a small real server that answers by simple rules, and misbehaves when told to."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Self

import grpc
from moat.detection.v1 import signals_pb2
from moat.moderation.v1 import moderation_pb2, moderation_service_pb2_grpc
from moat.moderation.v1 import moderation_service_pb2 as api
from moat.routing.v1 import verdict_pb2

from services.runtime.errors import MoatError

Context = Any


class FakeEdge(moderation_service_pb2_grpc.ModerationServiceServicer):
    """Allows everything. `gate` holds its answers back while it is cleared."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gate = asyncio.Event()
        self.gate.set()
        self.errors: deque[MoatError] = deque()
        """Each is the answer to one item."""
        self.breaks: deque[grpc.StatusCode | MoatError] = deque()
        """Each ends a stream, or a call, instead of answering what came last."""
        self.tokens: list[str] = []
        """Of each stream and call, as it was opened."""
        self.lists: list[list[moderation_pb2.ModerationItem]] = []
        self.voices: list[api.VoiceStart] = []

    async def __aenter__(self) -> Self:
        self._server = grpc.aio.server()
        moderation_service_pb2_grpc.add_ModerationServiceServicer_to_server(self, self._server)
        credentials = grpc.ssl_server_credentials(
            [((self.folder / "edge.key").read_bytes(), (self.folder / "edge.pem").read_bytes())]
        )
        self.port = self._server.add_secure_port("127.0.0.1:0", credentials)
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.gate.set()
        await self._server.stop(None)

    @property
    def items(self) -> list[moderation_pb2.ModerationItem]:
        """All that came, in order."""
        return [item for one in self.lists for item in one]

    @property
    def request_ids(self) -> list[str]:
        return [item.request_id for item in self.items]

    async def Moderate(self, request: api.ModerateRequest, context: Context) -> api.ModerateResponse:
        self.tokens.append(_token(context))
        await self._hear([request.item], context)
        await self.gate.wait()
        if self.errors:
            await _abort(context, self.errors.popleft())
        return api.ModerateResponse(decision=_decision(request.item))

    async def BatchModerate(self, request: api.BatchModerateRequest, context: Context) -> api.BatchModerateResponse:
        self.tokens.append(_token(context))
        await self._hear(list(request.items), context)
        return api.BatchModerateResponse(results=[self._result(item) for item in request.items])

    async def ModerateVoice(self, requests: Any, context: Context) -> AsyncIterator[api.ModerateVoiceResponse]:  # noqa: ANN401
        """Every message with sound is an utterance of as many milliseconds as it has bytes."""
        self.tokens.append(_token(context))
        at = number = 0
        async for request in requests:
            if request.HasField("start"):
                self.voices.append(request.start)
                continue
            await self._hear([], context)
            until = at + len(request.sound)
            response = api.ModerateVoiceResponse(
                utterance=number, interval=signals_pb2.Interval(start_millis=at, end_millis=until)
            )
            if self.errors:
                response.error.CopyFrom(self.errors.popleft().to_status())
            else:
                item = moderation_pb2.ModerationItem(request_id=f"{self.voices[-1].voice_id}/{number}")
                response.decision.CopyFrom(_decision(item))
            at, number = until, number + 1
            yield response

    async def IngestEvents(self, request: api.IngestEventsRequest, context: Context) -> api.IngestEventsResponse:
        raise NotImplementedError

    async def StreamModerate(self, requests: Any, context: Context) -> None:  # type: ignore[override]  # noqa: ANN401 - it writes instead
        self.tokens.append(_token(context))
        writing = asyncio.Lock()
        answers: list[asyncio.Task[None]] = []
        try:
            async for request in requests:
                # A call cannot be ended well while something is written on it.
                async with writing:
                    await self._hear(list(request.items), context)
                answers.append(asyncio.create_task(self._answer(request.items, context, writing)))
            await asyncio.gather(*answers)
        finally:
            for answer in answers:
                answer.cancel()

    async def _hear(self, items: list[moderation_pb2.ModerationItem], context: Context) -> None:
        self.lists.append(items)
        if self.breaks:
            await _abort(context, self.breaks.popleft())

    async def _answer(
        self, items: Sequence[moderation_pb2.ModerationItem], context: Context, writing: asyncio.Lock
    ) -> None:
        await self.gate.wait()
        async with writing:
            await context.write(api.StreamModerateResponse(results=[self._result(item) for item in items]))

    def _result(self, item: moderation_pb2.ModerationItem) -> api.ModerationResult:
        if self.errors:
            return api.ModerationResult(request_id=item.request_id, error=self.errors.popleft().to_status())
        return api.ModerationResult(request_id=item.request_id, decision=_decision(item))


async def _abort(context: Context, error: grpc.StatusCode | MoatError) -> None:
    if isinstance(error, grpc.StatusCode):
        await context.abort(error, "broken by the test")
    else:
        status = error.to_status()
        code = next(code for code in grpc.StatusCode if code.value[0] == status.code)
        await context.abort(code, status.message, (("grpc-status-details-bin", status.SerializeToString()),))


def _decision(item: moderation_pb2.ModerationItem) -> moderation_pb2.Decision:
    return moderation_pb2.Decision(
        decision_id=f"decision-of-{item.request_id}",
        request_id=item.request_id,
        outcome=verdict_pb2.OUTCOME_ALLOW,
        display_text=item.content.text.text,
    )


def _token(context: Context) -> str:
    return str(dict(context.invocation_metadata())["authorization"])
