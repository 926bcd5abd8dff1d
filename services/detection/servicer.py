"""DetectionService: request → lines, pictures and clips → scorers → response, results as they are ready."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
from moat.detection.v1 import detection_service_pb2, detection_service_pb2_grpc

from services.detection.detectors.live import LiveDetectors
from services.detection.detectors.looking import ask_about
from services.detection.exact_cache import CachingScorer
from services.detection.images.scorer import ImageScorer, Picture
from services.detection.scorer import Line, Scored
from services.detection.sounds.scorer import Recording, SoundScorer
from services.runtime import validation
from services.runtime.background import end_tasks
from services.runtime.errors import MoatError, NotSupported
from services.runtime.lists.serving import each_list
from services.runtime.timing import Stopwatch, seconds_left


class DetectionServicer(detection_service_pb2_grpc.DetectionServiceServicer):
    """Scores lists that mix tenants."""

    def __init__(
        self, scorer: CachingScorer, images: ImageScorer, sounds: SoundScorer, detectors: LiveDetectors
    ) -> None:
        """The cascade for lines, with what it has said before, what there is for pictures and for clips, and the detectors for
        those."""
        self._scorer = scorer
        self._images = images
        self._sounds = sounds
        self._detectors = detectors

    @each_list
    async def ScoreContents(
        self, request: detection_service_pb2.ScoreContentsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[detection_service_pb2.ScoreContentsResponse]:
        """See the proto."""
        watch = Stopwatch(len(request.items))
        errors: dict[int, MoatError] = dict(validation.check_list(request, "items"))
        lines: list[int] = []
        pictures: list[int] = []
        clips: list[int] = []
        by_kind = {"text": lines, "image": pictures, "audio": clips}
        for index, item in enumerate(request.items):
            kind = str(item.content.WhichOneof("kind"))
            if index in errors:
                continue
            if kind in by_kind:
                by_kind[kind].append(index)
            else:
                errors[index] = NotSupported(f"no detector is registered for {kind} content", metadata={"kind": kind})
        if errors:
            yield detection_service_pb2.ScoreContentsResponse(
                results=[_error(index, error) for index, error in errors.items()]
            )
        looking = [asyncio.create_task(self._look(request.items[index], index, watch)) for index in pictures]
        looking += [asyncio.create_task(self._listen(request.items[index], index, watch)) for index in clips]
        try:
            if lines:
                async for scored in self._scorer.score([_line(request.items[index]) for index in lines]):
                    yield detection_service_pb2.ScoreContentsResponse(
                        results=[_result(lines[one.index], one, watch) for one in scored]
                    )
            async for part in _as_ready(looking):
                yield part
        finally:
            await end_tasks([task for task in looking if not task.done()])

    async def _look(
        self, item: detection_service_pb2.ScoreItem, index: int, watch: Stopwatch
    ) -> detection_service_pb2.ScoreResult:
        try:
            picture = _picture(item)
            seen = await self._images.score(picture)
            await ask_about(self._detectors, item, seen.signals, deadline=picture.deadline)
        except MoatError as error:
            return _error(index, error)
        timing = watch.timing()
        timing.stages.extend(seen.stages)
        return detection_service_pb2.ScoreResult(index=index, signals=seen.signals, timing=timing, words=seen.words)

    async def _listen(
        self, item: detection_service_pb2.ScoreItem, index: int, watch: Stopwatch
    ) -> detection_service_pb2.ScoreResult:
        try:
            recording = _recording(item)
            heard = await self._sounds.score(recording)
            await ask_about(self._detectors, item, heard.signals, deadline=recording.deadline)
        except MoatError as error:
            return _error(index, error)
        timing = watch.timing()
        timing.stages.extend(heard.stages)
        result = detection_service_pb2.ScoreResult(index=index, signals=heard.signals, timing=timing)
        if heard.words:
            result.words.text = heard.words
        return result


async def _as_ready(
    looking: Sequence[asyncio.Task[detection_service_pb2.ScoreResult]],
) -> AsyncIterator[detection_service_pb2.ScoreContentsResponse]:
    if looking:
        # Tells the caller that the next list may come: what waits for a decoder here holds up nobody.
        yield detection_service_pb2.ScoreContentsResponse()
    for ready in asyncio.as_completed(looking):
        yield detection_service_pb2.ScoreContentsResponse(results=[await ready])


def _error(index: int, error: MoatError) -> detection_service_pb2.ScoreResult:
    return detection_service_pb2.ScoreResult(index=index, error=error.to_status())


def _picture(item: detection_service_pb2.ScoreItem) -> Picture:
    left = seconds_left(item.context.deadline_unix_nanos)
    return Picture(
        item.content.image.data,
        tenant=item.context.tenant,
        environment=item.context.environment,
        item_id=item.context.request_id,
        traceparent=item.context.traceparent,
        deadline=None if left is None else time.monotonic() + left,
        surface=item.surface,
    )


def _recording(item: detection_service_pb2.ScoreItem) -> Recording:
    left = seconds_left(item.context.deadline_unix_nanos)
    return Recording(
        item.content.audio.data,
        item.content.audio.media_type,
        tenant=item.context.tenant,
        environment=item.context.environment,
        surface=item.surface,
        traceparent=item.context.traceparent,
        deadline=None if left is None else time.monotonic() + left,
        item_id=item.context.request_id,
    )


def _line(item: detection_service_pb2.ScoreItem) -> Line:
    left = seconds_left(item.context.deadline_unix_nanos)
    return Line(
        item.content.text.text,
        traceparent=item.context.traceparent,
        tenant=item.context.tenant,
        deadline=None if left is None else time.monotonic() + left,
        environment=item.context.environment,
        surface=item.surface,
        told_language=item.content.text.language,
        item=item.context.request_id,
    )


def _result(index: int, scored: Scored, watch: Stopwatch) -> detection_service_pb2.ScoreResult:
    timing = watch.timing()
    timing.stages.extend(scored.stages)
    return detection_service_pb2.ScoreResult(index=index, signals=scored.signals, timing=timing)
