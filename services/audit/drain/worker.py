"""The drain's loop: read, write, then finish. Killed between any two steps it does the last one again, to no effect."""

from __future__ import annotations

import asyncio
import time
from typing import NoReturn

import msgpack
from prometheus_client import Counter, Gauge
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from services.audit.drain.rows import rows_of
from services.audit.drain.sink import Sink
from services.runtime.logs import log
from services.runtime.stream_group import StreamEntry, StreamGroup

DRAINED = Counter("audit_drained_decisions_total", "Decisions written to the record.")
POISON = Counter("audit_drain_poison_total", "Entries of the log that are no decisions; kept in quarantine.")
WAITING = Gauge("audit_drain_waiting_decisions", "Decisions in the log that are not in the record yet.")
_LONGEST_PAUSE = 2.0
_LOOK_AROUND_SECONDS = 1.0
"""How often it looks for what others have abandoned, and how much there is."""


class Drain:
    """One replica."""

    def __init__(self, group: StreamGroup, sink: Sink, *, batch: int, idle_seconds: float) -> None:
        """`batch`: entries a transaction, over all shards."""
        self._group = group
        self._sink = sink
        self._batch = batch
        self._idle_seconds = idle_seconds
        self._look_around_at = 0.0
        self.well = False
        """Whether the last round went through."""

    async def run(self) -> NoReturn:
        """Until cancelled. Whatever fails is tried again, more slowly each time."""
        pause = self._idle_seconds
        prepared = False
        while True:
            try:
                if not prepared:
                    await self._group.prepare()
                    await self._handle_all_unfinished()
                    prepared = True
                moved = await self.round()
                self.well = True
                pause = self._idle_seconds
                if moved < self._batch:
                    # Nobody waits for it: a transaction now for ten decisions is cheaper than ten now and then.
                    await asyncio.sleep(pause)
            except (RedisError, SQLAlchemyError, OSError) as error:
                log.warning("drain_interrupted", error=type(error).__name__)
                self.well = prepared = False
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    async def round(self) -> int:
        """Moves one batch; returns its size."""
        entries = await self._group.fresh(max(1, self._batch // 4))
        now = time.monotonic()
        if now >= self._look_around_at:
            # By the clock and not when there is nothing else: under load there is always something else.
            self._look_around_at = now + _LOOK_AROUND_SECONDS
            entries += await self._group.abandoned(self._batch)
            WAITING.set(await self._group.waiting())
        await self._move(entries)
        return len(entries)

    async def _handle_all_unfinished(self) -> None:
        while entries := await self._group.own_unfinished(self._batch):
            await self._move(entries)

    async def _move(self, entries: list[StreamEntry]) -> None:
        if not entries:
            return
        rows = rows_of([entry.fields for entry in entries])
        for position in rows.poison:
            entry = entries[position]
            log.error("drain_poison", stream=entry.stream, entry_id=entry.entry_id.decode())
            await self._sink.quarantine(entry.stream, entry.entry_id.decode(), msgpack.packb(entry.fields))
            POISON.inc()
        await self._sink.write(rows)
        await self._group.finish(entries)
        DRAINED.inc(len(rows.decisions))
