"""Gives a file to somebody who says why. That is written down for good before anything is given."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import Any

from moat.audit.v1 import decision_record_pb2, evidence_pb2
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from services.audit.evidence.metrics import READ
from services.audit.evidence.object_store import ObjectStore, object_name
from services.audit.evidence.sealed_file import DoesNotOpen, associated_data, from_object, open_file
from services.audit.evidence.tables import EVIDENCE, READINGS, file_of, reading_of
from services.audit.store.decisions import Decisions
from services.runtime.errors import DataLoss, MoatError, NotFound
from services.runtime.ids import is_uuid, new_id
from services.runtime.logs import log
from services.runtime.postgres import as_tenant
from services.runtime.principal import Principal


@dataclass(frozen=True, slots=True)
class Opened:
    """A file, and the note that it was read."""

    file: decision_record_pb2.EvidenceFile
    decision_id: str
    data: bytes
    reading: evidence_pb2.EvidenceReading


class Reader:
    """Holds the key-encryption key."""

    def __init__(self, pool: AsyncEngine, store: ObjectStore, decisions: Decisions, key_encryption_key: bytes) -> None:
        """`pool` signs in as the service's own role; `decisions` knows the data keys."""
        self._pool = pool
        self._store = store
        self._decisions = decisions
        self._kek = key_encryption_key

    async def read(self, principal: Principal, evidence_id: str, reason: str) -> Opened:
        """Raises NotFound for what is not there or not for this tenant, DataLoss for what should be there and is not, or does not
        open; StoreDown."""
        row, reading = await self._note(principal, evidence_id, reason)
        try:
            data = await self._open(principal, row)
        except MoatError as error:
            READ.labels(error.reason).inc()
            raise
        READ.labels("given").inc()
        return Opened(file_of(row), row.decision_id, data, reading)

    async def _note(self, principal: Principal, evidence_id: str, reason: str) -> Any:  # noqa: ANN401 - a row and its reading
        """Committed when it returns. Readings of what is gone are none."""
        tenant, environment = principal.tenant, principal.environment
        async with as_tenant(self._pool, tenant, environment) as connection:
            row = (await connection.execute(select(EVIDENCE).where(EVIDENCE.c.evidence_id == evidence_id))).first()
            if row is None or row.state == "keeping":
                raise NotFound("no such file in this tenant", kind="evidence", name=evidence_id)
            if row.state != "kept":
                raise _gone(evidence_id)
            statement = insert(READINGS).values(
                reading_id=new_id(),
                tenant=tenant,
                environment=environment,
                evidence_id=evidence_id,
                decision_id=row.decision_id,
                reader=principal.subject,
                reason=reason,
            )
            reading = (await connection.execute(statement.returning(READINGS))).one()
        return row, reading_of(reading)

    async def _open(self, principal: Principal, row: Any) -> bytes:  # noqa: ANN401 - SQLAlchemy's row types
        tenant, environment = principal.tenant, principal.environment
        held = await self._store.get(object_name(tenant, environment, row.evidence_id))
        if held is None:
            raise await self._missing(principal, row.evidence_id)
        try:
            sealed = from_object(held)
            wrapped = await self._wrapped_key(principal, sealed.key_id, row)
            associated = associated_data(tenant, environment, row.decision_id, row.evidence_id)
            return await asyncio.to_thread(_opened, sealed, self._kek, wrapped, associated, row.sha256)
        except DoesNotOpen:
            log.error("evidence_altered", evidence_id=row.evidence_id)
            raise _lost(row.evidence_id, "does not open: it was altered", "EVIDENCE_ALTERED") from None

    async def _wrapped_key(self, principal: Principal, key_id: str, row: Any) -> bytes:  # noqa: ANN401
        """The key that the object names: the row's, or that of a second attempt to keep the file. Raises NotFound once the
        subject's keys are erased, DoesNotOpen for a name that is none of a key."""
        own = await self._decisions.wrapped_key(principal.tenant, principal.environment, row.key_id)
        if own is None:
            raise NotFound(
                "the subject's key was erased; nobody can open the file",
                kind="evidence",
                name=row.evidence_id,
                reason="EVIDENCE_ERASED",
            )
        if key_id == row.key_id:
            return own
        other = None
        if is_uuid(key_id):
            other = await self._decisions.wrapped_key(principal.tenant, principal.environment, key_id)
        if other is None:
            raise DoesNotOpen
        return other

    async def _missing(self, principal: Principal, evidence_id: str) -> MoatError:
        """What it means that there is no object: retention has just deleted it, or the store has lost it."""
        query = select(EVIDENCE.c.state).where(EVIDENCE.c.evidence_id == evidence_id)
        async with as_tenant(self._pool, principal.tenant, principal.environment) as connection:
            if (await connection.execute(query)).scalar_one() != "kept":
                return _gone(evidence_id)
        log.error("evidence_missing", evidence_id=evidence_id)
        return _lost(evidence_id, "is not in the store, where it should be", "EVIDENCE_MISSING")


def _opened(
    sealed: decision_record_pb2.SealedContent, kek: bytes, wrapped: bytes, associated: bytes, sha256: bytes
) -> bytes:
    """Megabytes, so beside the event loop."""
    data = open_file(sealed, kek, wrapped, associated)
    if hashlib.sha256(data).digest() != sha256:
        raise DoesNotOpen
    return data


def _lost(evidence_id: str, what: str, reason: str) -> DataLoss:
    return DataLoss(f"the file {what}", reason=reason, metadata={"evidence": evidence_id})


def _gone(evidence_id: str) -> NotFound:
    return NotFound(
        "the file's time was over, and it has been deleted",
        kind="evidence",
        name=evidence_id,
        reason="EVIDENCE_DELETED",
    )
