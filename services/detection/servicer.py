"""DetectionService: request → lines → scorer → response, results as they are ready."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
from moat.detection.v1 import detection_service_pb2, detection_service_pb2_grpc

from services.detection.exact_cache import CachingScorer
from services.detection.scorer import Line, Scored
from services.runtime import validation
from services.runtime.errors import MoatError, NotSupported
from services.runtime.lists.serving import each_list
from services.runtime.timing import Stopwatch, seconds_left


class DetectionServicer(detection_service_pb2_grpc.DetectionServiceServicer):
    """Scores lists that mix tenants."""

    def __init__(self, scorer: CachingScorer) -> None:
        """The cascade, and what it has said before."""
        self._scorer = scorer

    @each_list
    async def ScoreContents(
        self, request: detection_service_pb2.ScoreContentsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[detection_service_pb2.ScoreContentsResponse]:
        """See the proto."""
        watch = Stopwatch(len(request.items))
        errors: dict[int, MoatError] = dict(validation.check_list(request, "items"))
        for index, item in enumerate(request.items):
            if index not in errors and item.content.WhichOneof("kind") != "text":
                errors[index] = NotSupported(
                    "no detector is registered for this kind of content", metadata={"kind": "image or audio"}
                )
        if errors:
            yield detection_service_pb2.ScoreContentsResponse(
                results=[
                    detection_service_pb2.ScoreResult(index=index, error=error.to_status())
                    for index, error in errors.items()
                ]
            )
        good = [index for index in range(len(request.items)) if index not in errors]
        if good:
            async for scored in self._scorer.score([_line(request.items[index]) for index in good]):
                yield detection_service_pb2.ScoreContentsResponse(
                    results=[_result(good[one.index], one, watch) for one in scored]
                )


def _line(item: detection_service_pb2.ScoreItem) -> Line:
    left = seconds_left(item.context.deadline_unix_nanos)
    return Line(
        item.content.text.text,
        traceparent=item.context.traceparent,
        tenant=item.context.tenant,
        deadline=None if left is None else time.monotonic() + left,
    )


def _result(index: int, scored: Scored, watch: Stopwatch) -> detection_service_pb2.ScoreResult:
    timing = watch.timing()
    timing.stages.extend(scored.stages)
    return detection_service_pb2.ScoreResult(index=index, signals=scored.signals, timing=timing)
