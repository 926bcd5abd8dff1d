"""Deletes files whose time is over, and files that no record names. Held ones stay.

In three steps, so that killed between any two it loses nothing and forgets nothing: rows are marked `deleting`; then, one by one,
the object is deleted, then its row is marked `deleted`. Every round goes on with what an earlier one has marked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.audit.evidence.metrics import DELETED, HELD, OVERDUE, STORE_UP
from services.audit.evidence.object_store import ObjectStore, object_name
from services.runtime.errors import MoatError
from services.runtime.logs import log

_NOT_HELD = """not exists (
    select from audit.evidence_holds h
    where h.tenant = e.tenant and h.environment = e.environment and h.evidence_id = e.evidence_id
        and h.release_time is null)"""
# Most files are named within seconds. It is noted, so that no round looks through them again before their time is over.
_NAME = text("""
    update audit.evidence e set named = true from audit.evidence_named n
    where not e.named and e.state in ('keeping', 'kept')
        and n.tenant = e.tenant and n.environment = e.environment and n.evidence_id = e.evidence_id""")
_KEY = "(tenant, environment, evidence_id)"
_WHY = {"expired": "delete_time <= :before", "unnamed": "keep_time <= :before and not named"}
_LOCK = {
    why: text(f"""
        select tenant, environment, evidence_id from audit.evidence e
        where state in ('keeping', 'kept') and {due} and {_NOT_HELD}
        order by delete_time limit :most for update skip locked""")  # noqa: S608 - words of ours
    for why, due in _WHY.items()
}
# A statement of its own sees a hold that was placed while the rows were being locked: the lock's own statement need not.
_MARK = text(f"""
    update audit.evidence e set state = 'deleting', why_deleted = :why
    where {_KEY} in (select * from unnest(
        cast(:tenants as text[]), cast(:environments as text[]), cast(:ids as uuid[])))
        and {_NOT_HELD}""")  # noqa: S608
_MARKED = text("""
    select tenant, environment, evidence_id, why_deleted from audit.evidence where state = 'deleting'
    order by delete_time limit :most""")
_GONE = text("""
    update audit.evidence set state = 'deleted', gone_time = :now
    where tenant = :tenant and environment = :environment and evidence_id = :evidence_id and state = 'deleting'""")
_OVERDUE = text(f"""
    select count(*) from audit.evidence e where state <> 'deleted' and delete_time <= :now and {_NOT_HELD}""")  # noqa: S608
_HELD = text("select count(distinct evidence_id) from audit.evidence_holds where release_time is null")


@dataclass(frozen=True, slots=True)
class Limits:
    """How patient and how quick it is."""

    unnamed: timedelta
    """A file that no record names is deleted after this long."""
    most: int
    """Files of a round."""
    every_seconds: float
    """From round to round."""


class Retention:
    """One replica; several do no harm."""

    def __init__(
        self,
        pool: AsyncEngine,
        store: ObjectStore,
        limits: Limits,
        *,
        drained_until: Callable[[], Awaitable[datetime]],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`pool` signs in as the worker's role. `drained_until`: decisions that were appended before are in the record, so that a
        file of theirs is named; raises MoatError when that cannot be told."""
        self._pool = pool
        self._store = store
        self._limits = limits
        self._drained_until = drained_until
        self._clock = clock

    async def run(self) -> NoReturn:
        """Until cancelled. What fails is tried again in the next round."""
        while True:
            try:
                await self.round()
            except (MoatError, SQLAlchemyError, OSError) as error:
                log.warning("evidence_retention_interrupted", error=type(error).__name__)
            except Exception as error:  # noqa: BLE001 - whatever it is: what is due must go in a later round
                log.error("evidence_retention_failed", exc_info=error)
            await asyncio.sleep(self._limits.every_seconds)

    async def round(self) -> int:
        """Returns how many files were deleted. Raises SQLAlchemy's errors."""
        now = self._clock()
        await self._mark("expired", now)
        try:
            # A file is kept a moment before its decision is appended.
            drained = await self._drained_until() - timedelta(minutes=10)
            async with self._pool.begin() as connection:
                await connection.execute(_NAME)
            await self._mark("unnamed", min(now - self._limits.unnamed, drained))
        except MoatError as error:
            log.warning("evidence_unnamed_left", reason=error.reason)
        deleted = await self._delete_marked(now)
        async with self._pool.connect() as connection:
            OVERDUE.set((await connection.execute(_OVERDUE, {"now": now})).scalar_one())
            HELD.set((await connection.execute(_HELD)).scalar_one())
        STORE_UP.set(await self._answers())
        return deleted

    async def _answers(self) -> bool:
        try:
            return await self._store.ping()
        except MoatError:
            return False

    async def _mark(self, why: str, before: datetime) -> None:
        async with self._pool.begin() as connection:
            due = (await connection.execute(_LOCK[why], {"before": before, "most": self._limits.most})).all()
            if due:
                columns = {
                    "tenants": [row.tenant for row in due],
                    "environments": [row.environment for row in due],
                    "ids": [row.evidence_id for row in due],
                }
                await connection.execute(_MARK, {"why": why, **columns})

    async def _delete_marked(self, now: datetime) -> int:
        async with self._pool.connect() as connection:
            marked = (await connection.execute(_MARKED, {"most": self._limits.most})).all()
        deleted = 0
        for row in marked:
            try:
                await self._delete(row, now)
                deleted += 1
            except MoatError as error:
                # It stays marked, and overdue. The others may be somewhere else.
                log.error("evidence_not_deleted", evidence_id=str(row.evidence_id), reason=error.reason)
        return deleted

    async def _delete(self, row: Any, now: datetime) -> None:  # noqa: ANN401 - SQLAlchemy's row types
        await self._store.delete(object_name(row.tenant, row.environment, str(row.evidence_id)))
        key = {"tenant": row.tenant, "environment": row.environment, "evidence_id": row.evidence_id}
        async with self._pool.begin() as connection:
            await connection.execute(_GONE, key | {"now": now})
        DELETED.labels(row.why_deleted).inc()
