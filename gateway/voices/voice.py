"""One voice: sound in, a decision for each utterance out."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from moat.detection.v1 import signals_pb2
from moat.mesh.v1 import content_pb2
from moat.moderation.v1 import moderation_pb2, moderation_service_pb2

from gateway.long_call import LongCall
from gateway.voices.cutter import MEDIA_TYPE, Cut, Cutter
from services.runtime import validation
from services.runtime.errors import InvalidRequest, MoatError, OverQuota

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.desk import Answer
    from gateway.intake import Intake
    from gateway.items import Arrival
    from services.runtime.principal import Principal
    from services.runtime.sound.activity import Weights

    Request = moderation_service_pb2.ModerateVoiceRequest
    Response = moderation_service_pb2.ModerateVoiceResponse

DEFAULT_SURFACE = "voice"
_SAMPLE_BYTES = 2
_GATHERED_SECONDS = 0.1
"""Of sound are looked at together: a caller may send it in crumbs."""


@dataclass(frozen=True, slots=True)
class Listening:
    """What all voices have in common."""

    intake: Intake
    weights: Weights
    threads: Executor
    """Where sound is cut: as many voices at a time as it has threads, the others in turn."""
    seconds: float
    """How long an utterance's decision may take."""


@dataclass(frozen=True, slots=True)
class _Key:
    """What an utterance goes by."""

    number: int
    start_millis: int
    end_millis: int


class Voice(LongCall["Request", "Response", _Key]):
    """One call. Its utterances are items like any other, under the request ids `voice_id/0`, `voice_id/1` …"""

    def __init__(self, listening: Listening, principal: Principal, arrival: Arrival, *, unanswered_limit: int) -> None:
        """`arrival` is what the utterances have in common; past `unanswered_limit` of them nothing more is read."""
        super().__init__(principal, unanswered_limit=unanswered_limit)
        self._listening = listening
        self._arrival = arrival
        self._start = moderation_service_pb2.VoiceStart()
        self._cutter: Cutter | None = None
        """None until it is known who speaks."""
        self._cutting: asyncio.Future[Sequence[Cut]] | None = None
        """What a thread is looking at."""
        self._gathered = bytearray()
        self._count = 0

    async def _take(self, request: Request) -> OverQuota | None:
        validation.check(request)
        if request.HasField("start"):
            self._begin(request.start)
            return None
        if self._cutter is None:
            raise InvalidRequest.field("start", "must be the first message: it says who speaks and how")
        if len(request.sound) % _SAMPLE_BYTES:
            raise InvalidRequest.field("sound", f"has {len(request.sound)} bytes; samples have two: send whole ones")
        self._gathered += request.sound
        if len(self._gathered) < self._start.sample_rate * _SAMPLE_BYTES * _GATHERED_SECONDS:
            return None
        return await self._cut(self._cutter.push)

    async def _finish(self) -> None:
        if self._cutter is None:
            return
        if self._cutting is not None:
            # The call ended while it was being looked at; no thread is asked about a voice that is still in another.
            self._ask_all(await self._cutting)
        await self._cut(self._cutter.push)
        self._ask_all(await self._in_thread(self._cutter.end))

    def _begin(self, start: moderation_service_pb2.VoiceStart) -> None:
        if self._cutter is not None:
            raise InvalidRequest.field("start", "comes once; open another call for another voice")
        self._start = start
        self._cutter = Cutter(start.sample_rate, self._listening.weights)

    async def _cut(self, push: Callable[[bytes], Sequence[Cut]]) -> OverQuota | None:
        """Looks at what was gathered; returns the refusal of what there was no room for."""
        sound = bytes(self._gathered)
        self._gathered.clear()
        self._cutting = self._in_thread(partial(push, sound))
        cuts = await asyncio.shield(self._cutting)
        self._cutting = None
        return self._ask_all(cuts)

    def _in_thread(self, work: Callable[[], Sequence[Cut]]) -> asyncio.Future[Sequence[Cut]]:
        return asyncio.get_running_loop().run_in_executor(self._listening.threads, work)

    def _ask_all(self, cuts: Sequence[Cut]) -> OverQuota | None:
        refused = None
        for cut in cuts:
            answer = self._ask(cut)
            self._add(_Key(self._count, cut.start_millis, cut.end_millis), answer)
            self._count += 1
            refused = answer if isinstance(answer, OverQuota) else refused
        return refused

    def _ask(self, cut: Cut) -> Answer | MoatError:
        start, seconds = self._start, self._listening.seconds
        item = moderation_pb2.ModerationItem(
            request_id=f"{start.voice_id}/{self._count}",
            user_id=start.user_id,
            channel_id=start.channel_id,
            target_user_ids=start.target_user_ids,
            surface=start.surface or DEFAULT_SURFACE,
            content=content_pb2.Content(audio=content_pb2.AudioContent(data=cut.sound, media_type=MEDIA_TYPE)),
            do_not_store=start.do_not_store,
        )
        item.timeout.FromTimedelta(timedelta(seconds=seconds))
        return self._listening.intake.take_one(item, self._arrival.again())

    def _response(self) -> Response:
        key, outcome = self._ready.pop(0)
        response = moderation_service_pb2.ModerateVoiceResponse(
            utterance=key.number,
            interval=signals_pb2.Interval(start_millis=key.start_millis, end_millis=key.end_millis),
        )
        if isinstance(outcome, MoatError):
            response.error.CopyFrom(outcome.to_status())
        else:
            response.decision.CopyFrom(outcome)
        return response
