"""The client: one object per process, for as long as it runs."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar, Unpack

import grpc
from google.protobuf import duration_pb2
from google.protobuf.message import Message
from moat.audit.v1 import audit_service_pb2, audit_service_pb2_grpc
from moat.context.v1 import context_service_pb2
from moat.enforcement.v1 import enforcement_service_pb2, enforcement_service_pb2_grpc
from moat.mesh.v1 import content_pb2
from moat.moderation.v1 import moderation_pb2, moderation_service_pb2, moderation_service_pb2_grpc
from moat_client.coalescer import Coalescer, DeadlinePassed, NotAnswered, QueueFull
from moat_client.content import NOT_UNICODE, About, Audio, Image, Thing, content_of, content_of_all, is_unicode
from moat_client.errors import MoatError, closed, from_rpc, from_status, invalid
from moat_client.evidence import Evidence
from moat_client.stream import ModerationStream
from moat_client.tracing import Tracing
from moat_client.types import Decision, Outage, decision_of
from moat_client.voice import Voice

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

_TOKEN_EXPIRED = "TOKEN_EXPIRED"  # noqa: S105 - a reason
_OPTIONS = [
    ("grpc.initial_reconnect_backoff_ms", 50),
    # In spite of its name this is how long one attempt may take.
    ("grpc.min_reconnect_backoff_ms", 5000),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.enable_retries", 0),
    # The largest file that is kept, and what is said of it.
    ("grpc.max_receive_message_length", 8 * 1024 * 1024),
]
_FIRST_PAUSE, _LONGEST_PAUSE = 0.03, 0.5

Item = moderation_pb2.ModerationItem
TokenSource = str | Path | Callable[[], str]
OnOutage = Outage | str | Callable[[Item, MoatError], Decision]

AnswerT = TypeVar("AnswerT")


class Moat:
    """Moderates. `async with Moat(…) as moat: await moat.moderate(…)`."""

    def __init__(
        self,
        address: str,
        *,
        token: TokenSource,
        ca_file: Path | str | None = None,
        on_outage: OnOutage = Outage.RAISE,
        timeout: float = 2.0,
        streams: int = 2,
        frames: int = 4,
        max_frame: int = 64,
        transport: str = "stream",
        tracer_provider: TracerProvider | None = None,
    ) -> None:
        """`token`: the token itself, a file that holds it, or a function; files and functions are asked again for every
        stream. `on_outage`: what to do when the mesh cannot be asked within the deadline. `timeout` in seconds, for items
        that name none. `streams` long calls carry `frames` lists each at a time. `transport` "unary" makes a call an item.
        `tracer_provider`: whose spans the decisions' traces begin with; OpenTelemetry's global one if None, if there is any.
        """
        self._token = token
        self._on_outage = Outage(on_outage) if isinstance(on_outage, str) else on_outage
        self._timeout = timeout
        root = Path(ca_file).read_bytes() if ca_file else None
        self._channel = grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(root), _OPTIONS)
        self._moderation = moderation_service_pb2_grpc.ModerationServiceStub(self._channel)
        self._enforcement = enforcement_service_pb2_grpc.EnforcementServiceStub(self._channel)
        self._audit = audit_service_pb2_grpc.AuditServiceStub(self._channel)
        self.evidence = Evidence(self._audit, self._call)
        """Files that were kept, for people who may see them."""
        self._streams = [ModerationStream(self._moderation, self._read_token) for _ in range(streams)]
        self._lanes = [Coalescer(stream.send, slots=frames, max_batch=max_frame) for stream in self._streams]
        self._unary = transport == "unary"
        self._next = 0
        self._tracing = Tracing(tracer_provider)
        self._closed = False

    async def __aenter__(self) -> Self:
        """Connects on first use."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Ends streams and connection."""
        await self.close()

    async def close(self) -> None:
        """Ends streams and connection. What is not answered yet fails with reason CLIENT_CLOSED."""
        self._closed = True
        for stream in self._streams:
            await stream.close()
        for lane in self._lanes:
            await lane.drain()
        await self._channel.close(None)

    async def moderate(self, text: str, *, user_id: str, **about: Unpack[About]) -> Decision:
        """Decides one line. Raises MoatError, unless `on_outage` says otherwise for an outage."""
        return await self.moderate_thing(text, user_id=user_id, **about)

    async def moderate_image(self, data: bytes, *, user_id: str, **about: Unpack[About]) -> Decision:
        """Decides one picture; see `Image`. In a call of its own, so that no line waits behind it. Its decision has no
        `display_text`. Raises MoatError, as `moderate` does."""
        return await self.moderate_thing(Image(data), user_id=user_id, **about)

    async def moderate_audio(
        self, data: bytes, *, user_id: str, media_type: str = "audio/wav", **about: Unpack[About]
    ) -> Decision:
        """Decides one clip; see `Audio`. Give it time: listening takes a tenth of a clip's length and more."""
        return await self.moderate_thing(Audio(data, media_type), user_id=user_id, **about)

    async def moderate_thing(self, thing: Thing, *, user_id: str, **about: Unpack[About]) -> Decision:
        """Decides a line, a picture or a clip, whichever it is."""
        return await self._moderate(content_of(thing), user_id, about)

    async def moderate_parts(self, things: Sequence[Thing], *, user_id: str, **about: Unpack[About]) -> Decision:
        """Decides 1 to 8 things that are shown together, as one. `Decision.parts` says what would happen to each alone."""
        return await self._moderate(content_of_all(things), user_id, about)

    def voice(
        self,
        *,
        user_id: str,
        sample_rate: int = 16000,
        voice_id: str = "",
        channel_id: str = "",
        target_user_ids: Sequence[str] = (),
        surface: str = "voice",
        do_not_store: bool = False,
    ) -> Voice:
        """Decides a voice while it is spoken: `async with moat.voice(…) as voice`. See `VoiceStart` in the protos; an id is made
        up if there is none. English only."""
        start = moderation_service_pb2.VoiceStart(
            voice_id=voice_id or str(uuid.uuid4()),
            user_id=user_id,
            channel_id=channel_id,
            target_user_ids=target_user_ids,
            surface=surface,
            sample_rate=sample_rate,
            do_not_store=do_not_store,
        )
        metadata = (("authorization", f"Bearer {self._read_token()}"),)
        return Voice(self._moderation.ModerateVoice(None, metadata=metadata), start)

    async def moderate_many(self, items: Sequence[Item]) -> list[Decision | MoatError]:
        """Decides a list in one call; each item has its own answer."""
        request = moderation_service_pb2.BatchModerateRequest(items=items)
        response = await self._call(self._moderation.BatchModerate, request)
        return [
            from_status(result.error) if result.HasField("error") else decision_of(result.decision)
            for result in response.results
        ]

    async def ingest(self, events: Sequence[context_service_pb2.Event]) -> moderation_service_pb2.IngestEventsResponse:
        """Tells what happened around the contents."""
        return await self._call(
            self._moderation.IngestEvents, moderation_service_pb2.IngestEventsRequest(events=events)
        )

    async def check_subject(self, user_id: str, channel_id: str = "") -> enforcement_service_pb2.CheckSubjectResponse:
        """May the user post?"""
        request = enforcement_service_pb2.CheckSubjectRequest(user_id=user_id, channel_id=channel_id)
        return await self._call(self._enforcement.CheckSubject, request)

    async def apply_enforcement(
        self, request: enforcement_service_pb2.ApplyEnforcementRequest
    ) -> enforcement_service_pb2.ApplyEnforcementResponse:
        """Applies one. Safe to repeat with the same request id."""
        return await self._call(self._enforcement.ApplyEnforcement, request)

    async def reverse_enforcement(
        self, enforcement_id: str, reason: str
    ) -> enforcement_service_pb2.ReverseEnforcementResponse:
        """Takes one back."""
        request = enforcement_service_pb2.ReverseEnforcementRequest(enforcement_id=enforcement_id, reason=reason)
        return await self._call(self._enforcement.ReverseEnforcement, request)

    async def get_decision(
        self, decision_id: str, *, include_content: bool = False
    ) -> audit_service_pb2.GetDecisionResponse:
        """The whole record of a decision."""
        request = audit_service_pb2.GetDecisionRequest(decision_id=decision_id, include_content=include_content)
        return await self._call(self._audit.GetDecision, request)

    async def list_decisions(
        self, filter_: str = "", *, page_size: int = 50, page_token: str = ""
    ) -> audit_service_pb2.ListDecisionsResponse:
        """A page of decisions, newest first."""
        request = audit_service_pb2.ListDecisionsRequest(filter=filter_, page_size=page_size, page_token=page_token)
        return await self._call(self._audit.ListDecisions, request)

    async def _moderate(self, content: content_pb2.Content, user_id: str, about: About) -> Decision:
        item, timeout = _new_item(content, user_id, about), about.get("timeout")
        deadline = time.monotonic() + (self._timeout if timeout is None else timeout)
        with self._tracing.begin(item) as traced:
            try:
                decision = decision_of(await self._decide(item, deadline))
            except MoatError as error:
                if not error.is_outage:
                    raise
                decision = self._in_outage(item, error)
            traced.decided(decision)
        return decision

    async def _decide(self, item: Item, deadline: float) -> moderation_pb2.Decision:
        """Asks, and asks again while the mesh is away and there is time: by the same request id, that is safe."""
        pause = _FIRST_PAUSE
        expired = False
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise MoatError(
                    grpc.StatusCode.DEADLINE_EXCEEDED, "no answer within the deadline", reason="OUT_OF_TIME"
                )
            item.timeout.CopyFrom(duration_pb2.Duration(nanos=int(left % 1 * 1e9), seconds=int(left)))
            try:
                return await asyncio.wait_for(self._ask(item, deadline), left)
            except TimeoutError:
                continue
            except MoatError as error:
                # A stream that has outlived its token reads no more; the next one is opened with a token of its own.
                outlived = error.reason == _TOKEN_EXPIRED and not expired
                expired |= outlived
                again = outlived or error.code is grpc.StatusCode.UNAVAILABLE
                if not again or deadline - time.monotonic() <= pause:
                    raise
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _ask(self, item: Item, deadline: float) -> moderation_pb2.Decision:
        if self._closed:
            raise closed()
        if self._unary or not item.content.HasField("text"):
            request = moderation_service_pb2.ModerateRequest(item=item)
            return (await self._call(self._moderation.Moderate, request, deadline - time.monotonic())).decision
        lane = self._lanes[self._next]
        self._next = (self._next + 1) % len(self._lanes)
        try:
            return await lane.submit(item, deadline=deadline)
        except QueueFull:
            message = "too many items wait in this client"
            raise MoatError(grpc.StatusCode.RESOURCE_EXHAUSTED, message, reason="CLIENT_QUEUE_FULL") from None
        except (DeadlinePassed, NotAnswered):
            message = "no answer within the deadline"
            raise MoatError(grpc.StatusCode.DEADLINE_EXCEEDED, message, reason="OUT_OF_TIME") from None

    async def _call(
        self,
        method: Callable[..., Awaitable[AnswerT]],
        request: Message,
        timeout: float | None = None,  # noqa: ASYNC109 - the mesh's deadline too
    ) -> AnswerT:
        metadata = (("authorization", f"Bearer {self._read_token()}"),)
        try:
            return await method(request, metadata=metadata, timeout=timeout or self._timeout)
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error) from error
        except grpc.aio.UsageError:
            raise closed() from None
        except asyncio.CancelledError:
            # So end the calls of a channel that is closed; a caller who was cancelled himself hears of that.
            task = asyncio.current_task()
            if self._closed and task is not None and not task.cancelling():
                raise closed() from None
            raise

    def _read_token(self) -> str:
        if callable(self._token):
            return self._token()
        if isinstance(self._token, Path):
            try:
                return self._token.read_text().strip()
            except (OSError, UnicodeDecodeError) as error:
                message = f"the token cannot be read from {self._token}: {error}"
                raise MoatError(grpc.StatusCode.UNAUTHENTICATED, message, reason="TOKEN_UNREADABLE") from error
        return self._token

    def _in_outage(self, item: Item, error: MoatError) -> Decision:
        if self._on_outage is Outage.RAISE:
            raise error
        if callable(self._on_outage):
            return self._on_outage(item, error)
        allowed = self._on_outage is Outage.ALLOW
        return Decision(
            outcome="ALLOW" if allowed else "DROP",
            display_text=item.content.text.text if allowed else "",
            request_id=item.request_id,
            outage=True,
        )


def _new_item(content: content_pb2.Content, user_id: str, about: About) -> Item:
    texts: dict[str, str | Sequence[str]] = {
        "request_id": about.get("request_id") or str(uuid.uuid4()),
        "user_id": user_id,
        "channel_id": about.get("channel_id", ""),
        "target_user_ids": about.get("target_user_ids", ()),
        "surface": about.get("surface", "chat"),
        "traceparent": about.get("traceparent") or "",
    }
    try:
        return Item(content=content, do_not_store=about.get("do_not_store", False), **texts)  # type: ignore[arg-type]  # each is one or the other
    except UnicodeEncodeError:
        field = next((name for name, value in texts.items() if not is_unicode("".join(value))), "item")
        raise invalid(field, NOT_UNICODE) from None
