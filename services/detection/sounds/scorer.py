"""One clip through its tiers: decoded, searched for speech, heard; its words go the way of any line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from moat.detection.v1 import signals_pb2
from moat.mesh.v1 import item_pb2
from moat_client.coalescer import DeadlinePassed, NotAnswered, QueueFull

from services.detection.exact_cache import CachingScorer
from services.detection.scorer import Line
from services.detection.sounds.decode import Clip, Spoken
from services.detection.sounds.decoder import ClipDecoder
from services.detection.sounds.listener import MODEL, MODEL_VERSION, SHED, Listener, Question, Words
from services.detection.stages import stage
from services.detection.workers import Unpacked
from services.runtime.background import end_tasks
from services.runtime.errors import MoatError, OutOfTime, OverQuota
from services.runtime.logs import log

PART = "speech"
"""What is missing, in signals and policies, when not all of a clip was heard."""
_LANGUAGE = "en"
"""All that the model can write, whatever is spoken."""
_ACTIVITY, _ACTIVITY_VERSION = "voice_activity", "1"


@dataclass(frozen=True, slots=True)
class Recording:
    """One clip on its way through the tiers."""

    data: bytes
    media_type: str
    tenant: str
    environment: str = ""
    surface: str = ""
    traceparent: str = ""
    deadline: float | None = None
    """On `time.monotonic`'s clock."""
    item_id: str = ""
    """The id of the request that it came with."""


@dataclass(slots=True)
class Heard:
    """What was found, and how long the parts took."""

    signals: signals_pb2.Signals = field(default_factory=signals_pb2.Signals)
    words: str = ""
    """Of all utterances, parted by line feeds."""
    stages: list[item_pb2.HopTiming.Stage] = field(default_factory=list)


class SoundScorer:
    """Everything about clips."""

    def __init__(self, decoder: ClipDecoder, listener: Listener, lines: CachingScorer) -> None:
        """`lines` scores what is said."""
        self._decoder = decoder
        self._listener = listener
        self._lines = lines

    async def score(self, recording: Recording) -> Heard:
        """Raises InvalidRequest for what is no clip, OverQuota or OutOfTime when it had no turn with the decoder."""
        began = time.perf_counter()
        heard = Heard()
        unpacked = await self._unpacked(recording)
        clip = unpacked.decoded
        heard.stages.append(stage("decode", began, unpacked.asked, unpacked.seconds))
        answers = await self._listened(recording, clip.spoken)
        heard.stages.extend(_stages(answers, began))
        _tell(heard.signals, clip, answers)
        heard.words = _carry(heard.signals, clip.spoken, answers)
        if heard.words:
            await self._read(recording, heard, began)
        return heard

    async def _unpacked(self, recording: Recording) -> Unpacked[Clip]:
        try:
            return await self._decoder.ask_clip(
                recording.data, recording.media_type, tenant=recording.tenant, deadline=recording.deadline
            )
        except QueueFull:
            raise OverQuota("too many clips wait to be decoded", metadata={"subject": "decoder"}) from None
        except (DeadlinePassed, NotAnswered):
            raise OutOfTime("the clip had no turn in time") from None

    async def _listened(self, recording: Recording, spoken: Sequence[Spoken]) -> list[Words | str]:
        """Of each utterance the words, or why there are none."""
        asked = [asyncio.create_task(self._words(recording, one)) for one in spoken]
        try:
            return list(await asyncio.gather(*asked))
        finally:
            await end_tasks([task for task in asked if not task.done()])

    async def _words(self, recording: Recording, spoken: Spoken) -> Words | str:
        question = Question(spoken.samples, recording.traceparent, recording.tenant)
        try:
            return await self._listener.ask(question, deadline=recording.deadline)
        except QueueFull:
            missed = "shed"
        except DeadlinePassed:
            missed = "out_of_time"
        except (MoatError, NotAnswered):
            missed = "unavailable"
        SHED.labels(missed).inc(question.seconds)
        log.info("speech_missed", reason=missed)
        return missed

    async def _read(self, recording: Recording, heard: Heard, began: float) -> None:
        """Scores the words."""
        asked = time.perf_counter()
        line = Line(
            heard.words,
            traceparent=recording.traceparent,
            tenant=recording.tenant,
            deadline=recording.deadline,
            environment=recording.environment,
            surface=recording.surface,
            told_language=_LANGUAGE,
            item=recording.item_id,
        )
        async for part in self._lines.score([line]):
            for one in part:
                heard.signals.carried.signals.CopyFrom(one.signals)
        heard.stages.append(stage("words", began, asked, time.perf_counter() - asked))


def _tell(signals: signals_pb2.Signals, clip: Clip, answers: Sequence[Words | str]) -> None:
    signals.language = "und"
    facts = signals.audio
    facts.duration_millis, facts.speech_millis = clip.duration_millis, clip.speech_millis
    facts.sample_rate, facts.format = clip.rate, clip.format
    signals.tiers.add(name=_ACTIVITY, version=_ACTIVITY_VERSION, reason="always")
    missed = sorted({one for one in answers if isinstance(one, str)})
    # Nobody speaks: there is nothing to ask the model about.
    reason = missed[0] if missed else "always" if answers else "decided"
    signals.tiers.add(name=MODEL, version=MODEL_VERSION, reason=reason)
    if missed:
        signals.degraded.append(PART)


def _carry(signals: signals_pb2.Signals, spoken: Sequence[Spoken], answers: Sequence[Words | str]) -> str:
    """Says where each utterance's words stand; returns all of them."""
    text = ""
    for one, words in zip(spoken, answers, strict=True):
        if isinstance(words, str) or not words.text:
            continue
        text += "\n" if text else ""
        place = signals.carried.places.add(start=len(text), confidence=words.confidence)
        text += words.text
        place.end = len(text)
        place.interval.start_millis, place.interval.end_millis = one.start_millis, one.end_millis
    if text:
        signals.carried.length = len(text)
    return text


def _stages(answers: Sequence[Words | str], began: float) -> list[item_pb2.HopTiming.Stage]:
    found = []
    for words in answers:
        if isinstance(words, Words):
            one = stage("triton", began, words.asked, words.seconds)
            one.batch_trace_id, one.batch_span_id = words.trace_id, words.span_id
            found.append(one)
    return found
