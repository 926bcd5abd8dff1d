"""Keeps one sealed file: its row first, then its object, then the row's word that it is there.

Killed between any two steps, it leaves a row that says `keeping`: the same file may be kept again over it, and if nobody does,
the retention worker deletes object and row. There is never an object without a row.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC

from moat.audit.v1 import decision_record_pb2
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.audit.evidence.metrics import KEPT, KEPT_BYTES
from services.audit.evidence.object_store import ObjectStore, StoreDown, object_name
from services.audit.evidence.sealed_file import as_object
from services.runtime.errors import WrongState
from services.runtime.logs import log
from services.runtime.postgres import as_tenant

_KEY = text("""
    insert into audit.subject_keys (tenant, environment, key_id, user_id, wrapped_key)
    values (:tenant, :environment, :key_id, :user_id, :wrapped_key) on conflict do nothing""")
_ROW = text("""
    insert into audit.evidence
        (tenant, environment, evidence_id, decision_id, part, kind, sha256, size, key_id, delete_time, named)
    values (:tenant, :environment, :evidence_id, :decision_id, :part, :kind, :sha256, :size, :key_id, :delete_time, :named)
    on conflict do nothing""")
_STATE = text("""
    select state from audit.evidence
    where tenant = :tenant and environment = :environment and evidence_id = :evidence_id""")
_KEPT = text("""
    update audit.evidence set state = 'kept', keep_time = now()
    where tenant = :tenant and environment = :environment and evidence_id = :evidence_id and state = 'keeping'""")


@dataclass(frozen=True, slots=True)
class SealedFile:
    """A file to keep, and whose it is."""

    tenant: str
    environment: str
    decision_id: str
    user_id: str
    file: decision_record_pb2.EvidenceFile
    sealed: decision_record_pb2.SealedContent
    named: bool = False
    """Taken for named by its record from the start, whenever that comes."""

    @property
    def row(self) -> dict[str, object]:
        """As statements take it."""
        file = self.file
        return {
            "tenant": self.tenant,
            "environment": self.environment,
            "evidence_id": file.evidence_id,
            "decision_id": self.decision_id,
            "part": file.part,
            "kind": file.kind,
            "sha256": file.sha256,
            "size": file.size,
            "key_id": file.key_id,
            "delete_time": file.delete_time.ToDatetime(UTC),
            "named": self.named,
        }


class Keeper:
    """Writes the store and the rows."""

    def __init__(self, pool: AsyncEngine, store: ObjectStore, *, writes: int) -> None:
        """`pool` signs in as the service's own role; `writes`: files that are written at a time."""
        self._pool = pool
        self._store = store
        self._room = asyncio.Semaphore(writes)

    async def keep(self, sealed: SealedFile) -> None:
        """Durable when it returns; keeping a file again changes nothing. Raises StoreFull, StoreDown, or WrongState for one that
        has been deleted."""
        async with self._room:
            try:
                if await self._begin(sealed):
                    return
                name = object_name(sealed.tenant, sealed.environment, sealed.file.evidence_id)
                await self._store.put(name, as_object(sealed.sealed))
                if not await self._finish(sealed):
                    # Retention took the row meanwhile, and may have looked for the object before it was there.
                    await self._store.delete(name)
                    raise _gone()
            except SQLAlchemyError as error:
                log.warning("evidence_rows_failed", error=type(error).__name__)
                raise StoreDown("the rows of the evidence store cannot be written") from error
        KEPT.labels(sealed.file.kind).inc()
        KEPT_BYTES.inc(sealed.file.size)

    async def _begin(self, sealed: SealedFile) -> bool:
        """Whether it is kept already."""
        row = sealed.row
        key = {"user_id": sealed.user_id, "wrapped_key": sealed.sealed.wrapped_key}
        async with as_tenant(self._pool, sealed.tenant, sealed.environment) as connection:
            await connection.execute(_KEY, row | key)
            await connection.execute(_ROW, row)
            state = (await connection.execute(_STATE, row)).scalar_one()
        if state in ("deleting", "deleted"):
            raise _gone()
        return bool(state == "kept")

    async def _finish(self, sealed: SealedFile) -> bool:
        """Whether it is kept."""
        async with as_tenant(self._pool, sealed.tenant, sealed.environment) as connection:
            await connection.execute(_KEPT, sealed.row)
            return bool((await connection.execute(_STATE, sealed.row)).scalar_one() == "kept")


def _gone() -> WrongState:
    return WrongState("the file has been deleted; it cannot be kept again", reason="EVIDENCE_DELETED")
