"""ContextService: request → plan → one round trip → response."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import grpc
from moat.context.v1 import context_service_pb2, context_service_pb2_grpc

from services.context.reading import features_of, plan_reading
from services.context.recording import plan_decision, plan_event
from services.context.windows import Plan, Windows
from services.runtime import validation
from services.runtime.errors import InvalidRequest
from services.runtime.lists.serving import each_list
from services.runtime.timing import Stopwatch

Context = grpc.aio.ServicerContext[Any, Any]


class ContextServicer(context_service_pb2_grpc.ContextServiceServicer):
    """Serves lists that mix tenants."""

    def __init__(self, windows: Windows, *, clock: Callable[[], float] = time.time) -> None:
        """`clock` gives seconds since the epoch."""
        self._windows = windows
        self._clock = clock

    @each_list
    async def ReadContexts(
        self, request: context_service_pb2.ReadContextsRequest, context: Context
    ) -> AsyncIterator[context_service_pb2.ReadContextsResponse]:
        """See the proto."""
        watch = Stopwatch(len(request.items))
        bad = validation.check_list(request, "items")
        now = self._clock()
        plan = self._windows.plan()
        places = {index: plan_reading(plan, item, now) for index, item in enumerate(request.items) if index not in bad}
        answers = await self._windows.run(plan)
        response = context_service_pb2.ReadContextsResponse()
        for index, error in bad.items():
            response.results.add(index=index, error=error.to_status())
        timing = watch.timing()
        for index, found in places.items():
            features = features_of(request.items[index], found, answers, now)
            response.results.add(index=index, features=features, timing=timing)
        yield response

    @each_list
    async def RecordDecisions(
        self, request: context_service_pb2.RecordDecisionsRequest, context: Context
    ) -> AsyncIterator[context_service_pb2.RecordDecisionsResponse]:
        """See the proto."""
        bad = validation.check_list(request, "items")
        results = await self._record(request.items, bad, plan_decision)
        yield context_service_pb2.RecordDecisionsResponse(results=results)

    @each_list
    async def RecordEvents(
        self, request: context_service_pb2.RecordEventsRequest, context: Context
    ) -> AsyncIterator[context_service_pb2.RecordEventsResponse]:
        """See the proto."""
        bad = validation.check_list(request, "items")
        results = await self._record(request.items, bad, plan_event)
        yield context_service_pb2.RecordEventsResponse(results=results)

    async def _record(
        self,
        items: Any,  # noqa: ANN401 - protobuf's repeated containers have no common type
        bad: Mapping[int, InvalidRequest],
        plan_item: Callable[[Plan, Any, float], list[tuple[str, int]]],
    ) -> list[context_service_pb2.RecordResult]:
        now = self._clock()
        plan = self._windows.plan()
        errors = dict(bad)
        places: dict[int, list[tuple[str, int]]] = {}
        for index, item in enumerate(items):
            if index in errors:
                continue
            try:
                places[index] = plan_item(plan, item, now)
            except InvalidRequest as error:
                errors[index] = error
        answers = await self._windows.run(plan)
        results = [context_service_pb2.RecordResult(index=i, error=error.to_status()) for i, error in errors.items()]
        for index, found in places.items():
            fresh = any(answers[tag][position] for tag, position in found)
            results.append(context_service_pb2.RecordResult(index=index, replayed=not fresh))
        return results
