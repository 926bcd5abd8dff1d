"""RoutingService: item → verdict."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
from moat.routing.v1 import routing_service_pb2, routing_service_pb2_grpc

from services.routing.calibration.applying import Calibrations
from services.routing.calibration.watching import Watcher
from services.routing.policy import Policy
from services.runtime import validation
from services.runtime.lists.serving import each_list
from services.runtime.reloading import Current
from services.runtime.timing import Stopwatch


class RoutingServicer(routing_service_pb2_grpc.RoutingServiceServicer):
    """Decides lists that mix tenants."""

    def __init__(self, policy: Policy, calibrations: Current[Calibrations], watcher: Watcher) -> None:
        """The active policy, limits of places of their own, and who watches their scores."""
        self._policy = policy
        self._calibrations = calibrations
        self._watcher = watcher

    @each_list
    async def DecideVerdicts(
        self, request: routing_service_pb2.DecideVerdictsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[routing_service_pb2.DecideVerdictsResponse]:
        """See the proto."""
        watch = Stopwatch(len(request.items))
        bad = validation.check_list(request, "items")
        response = routing_service_pb2.DecideVerdictsResponse()
        calibrations = self._calibrations.current
        for index, item in enumerate(request.items):
            if index in bad:
                response.results.add(index=index, error=bad[index].to_status())
            else:
                verdict = self._policy.decide(item, calibrations)
                response.results.add(index=index, verdict=verdict, timing=watch.timing())
                if verdict.calibration:
                    self._watcher.see(item, verdict.calibration)
        yield response
