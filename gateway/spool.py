"""Where decisions go when the log cannot be reached: the gateway's own disk, written in groups, emptied later."""

from __future__ import annotations

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from moat.audit.v1 import decision_log_service_pb2, decision_record_pb2
from moat_client.coalescer import Coalescer, Pending, QueueFull

from gateway.metrics import SPOOL_RECORDS
from gateway.spool_file import Spooled, SpoolFile, SpoolFull
from services.runtime.logs import log
from services.runtime.metrics import BatchMetrics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

ResultT = TypeVar("ResultT")
Key = tuple[str, str, str]
_MAX_GROUP = 256


class SpoolUnavailable(Exception):
    """The decision could not be kept on disk: it is full, broken, or the bound is reached."""


class Remembered(NamedTuple):
    """What tells a repeat of a spooled request from a reuse of its id."""

    decision_id: str
    content_digest: bytes


class Spool:
    """The file behind one thread of its own, and an index of what is in it. Belongs to one event loop."""

    def __init__(self, path: Path, *, max_records: int, max_bytes: int) -> None:
        """Nothing is opened before `open`."""
        self._path = path
        self._bounds = {"max_records": max_records, "max_bytes": max_bytes}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._file: SpoolFile | None = None
        self._index: dict[Key, Remembered] = {}
        self._writer: Coalescer[Spooled, None] = Coalescer(
            self._write, slots=1, max_batch=_MAX_GROUP, observe=BatchMetrics("spool")
        )

    def __len__(self) -> int:
        """How many decisions the log does not have yet."""
        return len(self._index)

    async def open(self) -> None:
        """Opens the file and remembers what is in it. A file that cannot be opened is logged and tried again at need:
        the log may be well, and then no spool is wanted."""
        try:
            await self._in_thread(self._load)
        except (sqlite3.Error, OSError) as error:
            log.error("spool_unusable", path=str(self._path), error=str(error))
        SPOOL_RECORDS.set(len(self._index))

    async def close(self) -> None:
        """Waits for what is being written."""
        await self._writer.drain()
        if self._file is not None:
            await self._in_thread(self._file.close)
        self._thread.shutdown()

    def find(self, key: Key) -> Remembered | None:
        """Whether a request was decided and spooled here."""
        return self._index.get(key)

    async def record(self, decision_id: str) -> decision_record_pb2.DecisionRecord | None:
        """The record of a spooled decision; None if it has moved to the log meanwhile."""
        found = await self._in_thread(lambda: self._opened().find(decision_id))
        if found is None:
            return None
        item = decision_log_service_pb2.AppendItem.FromString(found.item)
        return decision_record_pb2.DecisionRecord.FromString(item.record)

    async def add(self, item: decision_log_service_pb2.AppendItem) -> None:
        """Keeps a decision; durable when it returns. Raises SpoolUnavailable."""
        context = item.context
        entry = Spooled(
            context.decision_id,
            context.tenant,
            context.environment,
            context.request_id,
            item.content_digest,
            item.SerializeToString(),
        )
        try:
            await self._writer.submit(entry)
        except (SpoolFull, QueueFull) as error:
            raise SpoolUnavailable from error
        except (sqlite3.Error, OSError) as error:
            log.error("spool_write_failed", error=str(error))
            raise SpoolUnavailable from error

    async def oldest(self, limit: int) -> list[Spooled]:
        """Those to move to the log next. Raises sqlite3.Error, OSError."""
        return await self._in_thread(lambda: self._opened().oldest(limit))

    async def forget(self, entries: Sequence[Spooled]) -> None:
        """The log has them. Raises sqlite3.Error, OSError."""
        await self._in_thread(lambda: self._opened().forget(entries))
        for entry in entries:
            self._index.pop((entry.tenant, entry.environment, entry.request_id), None)
        SPOOL_RECORDS.set(len(self._index))

    async def park(self, entries: Sequence[Spooled]) -> None:
        """The log refuses them for good; they stay for a person to look at. Raises sqlite3.Error, OSError."""
        await self._in_thread(lambda: self._opened().park(entries))

    async def _write(self, batch: Sequence[Pending[Spooled, None]]) -> None:
        entries = [pending.item for pending in batch]
        await self._in_thread(lambda: self._opened().append(entries))
        for pending in batch:
            self._remember(pending.item)
            pending.resolve(None)
        SPOOL_RECORDS.set(len(self._index))

    def _remember(self, entry: Spooled) -> None:
        remembered = Remembered(entry.decision_id, entry.content_digest)
        self._index[entry.tenant, entry.environment, entry.request_id] = remembered

    def _load(self) -> None:
        for decision_id, tenant, environment, request_id, digest in self._opened().all():
            self._index[tenant, environment, request_id] = Remembered(decision_id, digest)

    def _opened(self) -> SpoolFile:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = SpoolFile(self._path, **self._bounds)
        return self._file

    async def _in_thread(self, work: Callable[[], ResultT]) -> ResultT:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
