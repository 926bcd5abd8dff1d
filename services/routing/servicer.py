"""RoutingService: item → verdict."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
from moat.routing.v1 import routing_service_pb2, routing_service_pb2_grpc

from services.routing.policy import Policy
from services.runtime import validation
from services.runtime.lists.serving import each_list
from services.runtime.timing import Stopwatch


class RoutingServicer(routing_service_pb2_grpc.RoutingServiceServicer):
    """Decides lists that mix tenants."""

    def __init__(self, policy: Policy) -> None:
        """The active policy."""
        self._policy = policy

    @each_list
    async def DecideVerdicts(
        self, request: routing_service_pb2.DecideVerdictsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[routing_service_pb2.DecideVerdictsResponse]:
        """See the proto."""
        watch = Stopwatch(len(request.items))
        bad = validation.check_list(request, "items")
        response = routing_service_pb2.DecideVerdictsResponse()
        for index, item in enumerate(request.items):
            if index in bad:
                response.results.add(index=index, error=bad[index].to_status())
            else:
                response.results.add(index=index, verdict=self._policy.decide(item), timing=watch.timing())
        yield response
