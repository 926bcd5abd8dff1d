"""Applies and reverses enforcements: first the row, then the copy that the hot path reads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from moat.enforcement.v1 import effect_service_pb2, enforcement_pb2
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from services.enforcement.model import Enforcement, of_intent
from services.enforcement.store.enforcements import Enforcements, Subject
from services.enforcement.store.restrictions import Restrictions
from services.runtime.errors import AlreadyExists, DependencyDown, NotFound, WrongState
from services.runtime.logs import log


class Desk:
    """What the servicers and the worker ask to act."""

    def __init__(self, enforcements: Enforcements, restrictions: Restrictions) -> None:
        """The rows, and the copy of what holds."""
        self._enforcements = enforcements
        self._restrictions = restrictions

    async def apply_intents(self, intents: Sequence[effect_service_pb2.EffectIntent]) -> list[list[Enforcement]]:
        """All in one transaction, each once per decision. Raises DependencyDown when nothing was applied."""
        wanted = [of_intent(intent) for intent in intents]
        flat = [one for group in wanted for one in group]
        try:
            made = await self._enforcements.apply_many(flat)
        except (SQLAlchemyError, OSError) as error:
            raise _down(error) from error
        await self._refresh({_subject(one) for one in made.values() if one.restricts})
        return [[made[one.enforcement_id] for one in group] for group in wanted]

    async def apply(self, wanted: Enforcement) -> Enforcement:
        """Raises AlreadyExists when the request id was used for something else."""
        try:
            made = await self._enforcements.apply(wanted)
        except (SQLAlchemyError, OSError) as error:
            raise _down(error) from error
        if made.request_digest != wanted.request_digest:
            raise AlreadyExists(
                "the request id was used for another enforcement; use a new id",
                kind="enforcement",
                name=made.enforcement_id,
                reason="REQUEST_ID_REUSED",
            )
        if made.restricts:
            await self._refresh({_subject(made)})
        return made

    async def reverse(
        self, tenant: str, environment: str, enforcement_id: str, *, actor: str, reason: str
    ) -> Enforcement:
        """Raises NotFound or WrongState."""
        now = datetime.now(UTC)
        try:
            there = await self._enforcements.get(tenant, environment, enforcement_id)
            if there is None:
                raise NotFound("no such enforcement in this tenant", kind="enforcement", name=enforcement_id)
            if there.state(now) == enforcement_pb2.ENFORCEMENT_STATE_EXPIRED:
                raise WrongState("the enforcement has expired; there is nothing to take back", reason="EXPIRED")
            made = await self._enforcements.reverse(
                tenant, environment, enforcement_id, actor=actor, reason=reason, now=now
            )
        except (SQLAlchemyError, OSError) as error:
            raise _down(error) from error
        if made.restricts:
            await self._refresh({_subject(made)})
        return made

    async def repair(self, tenants: Sequence[str]) -> int:
        """Writes to the copy what it may not know of; returns for how many users. Raises what the stores raise."""
        subjects = await self._enforcements.uncached(tenants)
        for subject in subjects:
            await self._enforcements.refresh(subject, self._restrictions.write)
        return len(subjects)

    async def rebuild(self, tenants: Sequence[str]) -> None:
        """The copy has lost something."""
        await self._enforcements.forget_cached(tenants)

    async def _refresh(self, subjects: set[Subject]) -> None:
        """The row is what counts: when the copy cannot be written now, the worker does it."""
        for subject in sorted(subjects):
            try:
                await self._enforcements.refresh(subject, self._restrictions.write)
            except (RedisError, SQLAlchemyError, OSError) as error:
                log.warning("restriction_not_cached_yet", error=type(error).__name__)


def _subject(made: Enforcement) -> Subject:
    return (made.tenant, made.environment, made.user_id)


def _down(error: Exception) -> DependencyDown:
    log.warning("enforcement_store_down", error=type(error).__name__)
    return DependencyDown("enforcements cannot be stored now", reason="STORE_DOWN")
