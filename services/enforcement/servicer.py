"""EnforcementService (people and services) and EffectService (the hot path): request → domain call → response."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import grpc
from moat.enforcement.v1 import (
    effect_service_pb2,
    effect_service_pb2_grpc,
    enforcement_service_pb2,
    enforcement_service_pb2_grpc,
)
from redis.exceptions import RedisError

from services.enforcement import convert
from services.enforcement.desk import Desk
from services.enforcement.model import Restriction, of_request
from services.enforcement.store.restrictions import Restrictions
from services.runtime import validation
from services.runtime.errors import DependencyDown
from services.runtime.lists.serving import each_list
from services.runtime.principal import current_principal
from services.runtime.timing import Stopwatch

Context = grpc.aio.ServicerContext[Any, Any]


class EnforcementServicer(enforcement_service_pb2_grpc.EnforcementServiceServicer):
    """Acts in the caller's own tenant."""

    def __init__(self, desk: Desk, restrictions: Restrictions) -> None:
        """`restrictions` answers what holds."""
        self._desk = desk
        self._restrictions = restrictions

    async def ApplyEnforcement(
        self, request: enforcement_service_pb2.ApplyEnforcementRequest, context: Context
    ) -> enforcement_service_pb2.ApplyEnforcementResponse:
        """See the proto."""
        who, now = current_principal(), datetime.now(UTC)
        wanted = of_request(request, tenant=who.tenant, environment=who.environment, actor=who.subject, now=now)
        made = await self._desk.apply(wanted)
        return enforcement_service_pb2.ApplyEnforcementResponse(enforcement=convert.enforcement(made, now))

    async def ReverseEnforcement(
        self, request: enforcement_service_pb2.ReverseEnforcementRequest, context: Context
    ) -> enforcement_service_pb2.ReverseEnforcementResponse:
        """See the proto."""
        who = current_principal()
        made = await self._desk.reverse(
            who.tenant, who.environment, request.enforcement_id, actor=who.subject, reason=request.reason
        )
        return enforcement_service_pb2.ReverseEnforcementResponse(
            enforcement=convert.enforcement(made, datetime.now(UTC))
        )

    async def CheckSubject(
        self, request: enforcement_service_pb2.CheckSubjectRequest, context: Context
    ) -> enforcement_service_pb2.CheckSubjectResponse:
        """See the proto."""
        who = current_principal()
        try:
            (known,) = await self._restrictions.read([(who.tenant, who.environment, request.user_id)])
        except RedisError as error:
            raise _unknown() from error
        held = _holding(known, request.channel_id)
        return enforcement_service_pb2.CheckSubjectResponse(
            may_post=not held, restrictions=[convert.restriction(one) for one in held]
        )


class EffectServicer(effect_service_pb2_grpc.EffectServiceServicer):
    """Serves lists that mix tenants."""

    def __init__(self, desk: Desk, restrictions: Restrictions) -> None:
        """As above."""
        self._desk = desk
        self._restrictions = restrictions

    @each_list
    async def CheckSubjects(
        self, request: effect_service_pb2.CheckSubjectsRequest, context: Context
    ) -> AsyncIterator[effect_service_pb2.CheckSubjectsResponse]:
        """One round trip for the list."""
        watch = Stopwatch(len(request.items))
        bad = validation.check_list(request, "items")
        good = [(index, item) for index, item in enumerate(request.items) if index not in bad]
        response = effect_service_pb2.CheckSubjectsResponse()
        for index, error in bad.items():
            response.results.add(index=index, error=error.to_status())
        try:
            known = await self._restrictions.read(
                [(item.context.tenant, item.context.environment, item.user_id) for _, item in good]
            )
        except RedisError as error:
            raise _unknown() from error
        timing = watch.timing()
        for (index, item), held in zip(good, known, strict=True):
            result = response.results.add(index=index, timing=timing)
            if held:
                result.restrictions.extend(convert.restriction(one) for one in _holding(held, item.channel_id))
        yield response

    @each_list
    async def ApplyEffects(
        self, request: effect_service_pb2.ApplyEffectsRequest, context: Context
    ) -> AsyncIterator[effect_service_pb2.ApplyEffectsResponse]:
        """One transaction for the list."""
        watch = Stopwatch(len(request.items))
        bad = validation.check_list(request, "items")
        good = [(index, item) for index, item in enumerate(request.items) if index not in bad]
        response = effect_service_pb2.ApplyEffectsResponse()
        for index, error in bad.items():
            response.results.add(index=index, error=error.to_status())
        if good:
            made = await self._desk.apply_intents([item for _, item in good])
            now = datetime.now(UTC)
            timing = watch.timing()
            for (index, _), enforcements in zip(good, made, strict=True):
                response.results.add(
                    index=index, enforcements=[convert.enforcement(one, now) for one in enforcements], timing=timing
                )
        yield response


def _holding(known: list[Restriction], channel_id: str) -> list[Restriction]:
    """Soonest to end first; those without end last."""
    now = time.time()
    held = [one for one in known if one.holds(channel_id, now)]
    return sorted(held, key=lambda one: one.expire_unix if one.expire_unix is not None else float("inf"))


def _unknown() -> DependencyDown:
    return DependencyDown("what holds for the user is not known now", reason="STATE_DOWN")
