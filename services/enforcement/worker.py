"""In the background: applies the intents that no gateway lived to have applied, and keeps the hot path's copy true."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NoReturn

from google.protobuf.message import DecodeError
from moat.enforcement.v1 import effect_service_pb2
from prometheus_client import Counter
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from services.audit.log.keys import INTENT
from services.enforcement.desk import Desk
from services.enforcement.store.restrictions import Restrictions
from services.runtime import validation
from services.runtime.errors import InvalidRequest, MoatError
from services.runtime.logs import log
from services.runtime.stream_group import StreamEntry, StreamGroup

INTENTS = Counter("enforcement_intents_total", "Intents taken from the log.", ["result"])
_BATCH = 128
_PAUSE = 1.0


class IntentWorker:
    """Applies what the log's intents want. Most have been applied by then; that they have been is checked here."""

    def __init__(self, group: StreamGroup, desk: Desk, *, idle_seconds: float) -> None:
        """`group` reads the intents of all shards."""
        self._group = group
        self._desk = desk
        self._idle_seconds = idle_seconds

    async def run(self) -> NoReturn:
        """Until cancelled."""
        prepared = False
        while True:
            try:
                if not prepared:
                    await self._group.prepare()
                    while entries := await self._group.own_unfinished(_BATCH):
                        await self._apply(entries)
                    prepared = True
                entries = await self._group.fresh(_BATCH) or await self._group.abandoned(_BATCH)
                await self._apply(entries)
                if len(entries) < _BATCH:
                    # Most have been applied already: many looked at in one transaction cost what one does.
                    await asyncio.sleep(self._idle_seconds)
            except (RedisError, MoatError, OSError) as error:
                log.warning("intents_interrupted", error=type(error).__name__)
                prepared = False
                await asyncio.sleep(_PAUSE)

    async def _apply(self, entries: Sequence[StreamEntry]) -> None:
        if not entries:
            return
        intents = [intent for entry in entries if (intent := _intent(entry)) is not None]
        if intents:
            await self._desk.apply_intents(intents)
            INTENTS.labels("applied").inc(len(intents))
        await self._group.finish(entries)


def _intent(entry: StreamEntry) -> effect_service_pb2.EffectIntent | None:
    try:
        intent = effect_service_pb2.EffectIntent.FromString(entry.fields[INTENT])
        validation.check(intent)
    except (KeyError, DecodeError, InvalidRequest) as error:
        log.error("intent_unreadable", stream=entry.stream, entry=entry.entry_id.decode(), error=type(error).__name__)
        INTENTS.labels("unreadable").inc()
        return None
    return intent


class CacheKeeper:
    """Repairs the copy, and makes it again when its server has been restarted or lost it."""

    def __init__(self, desk: Desk, restrictions: Restrictions, tenants: Sequence[str], *, seconds: float) -> None:
        """`tenants`: all of the mesh; row-level security wants them named."""
        self._desk = desk
        self._restrictions = restrictions
        self._tenants = tenants
        self._seconds = seconds
        self._run_id = ""

    async def run(self) -> NoReturn:
        """Until cancelled."""
        while True:
            try:
                await self.round()
            except (RedisError, SQLAlchemyError, OSError) as error:
                log.warning("restrictions_not_repaired", error=type(error).__name__)
            await asyncio.sleep(self._seconds)

    async def round(self) -> None:
        """Looks once."""
        run_id = await self._restrictions.run_id()
        if run_id != self._run_id:
            await self._desk.rebuild(self._tenants)
            self._run_id = run_id
        while await self._desk.repair(self._tenants):
            pass
