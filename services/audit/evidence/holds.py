"""Places and releases holds. A hold wins over retention, whenever the two meet: see `retention`."""

from __future__ import annotations

from typing import Any

from moat.audit.v1 import evidence_pb2
from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.audit.evidence.tables import EVIDENCE, HOLDS, hold_of
from services.runtime.errors import NotFound, WrongState
from services.runtime.ids import new_id
from services.runtime.logs import log
from services.runtime.postgres import as_tenant
from services.runtime.principal import Principal


class Holds:
    """Writes holds, always as one tenant in one environment."""

    def __init__(self, pool: AsyncEngine) -> None:
        """`pool` signs in as the service's own role."""
        self._pool = pool

    async def place(self, principal: Principal, evidence_id: str, reason: str) -> evidence_pb2.EvidenceHold:
        """The same person's hold for the same reason is one. Raises NotFound, or WrongState for what is being deleted."""
        async with as_tenant(self._pool, principal.tenant, principal.environment) as connection:
            row = await _file(connection, evidence_id)
            hold = await _standing(connection, evidence_id, principal.subject, reason)
            if hold is None:
                values = {
                    "hold_id": new_id(),
                    "tenant": principal.tenant,
                    "environment": principal.environment,
                    "evidence_id": evidence_id,
                    "decision_id": row.decision_id,
                    "held_by": principal.subject,
                    "reason": reason,
                }
                hold = (await connection.execute(insert(HOLDS).values(values).returning(HOLDS))).one()
                # The foreign key has locked the file's row: retention either sees the hold, or its mark is here to be seen.
                await _file(connection, evidence_id)
        log.info("evidence_held", evidence_id=evidence_id, hold_id=hold.hold_id)
        return hold_of(hold)

    async def release(self, principal: Principal, hold_id: str, reason: str) -> evidence_pb2.EvidenceHold:
        """Released once: a repeat answers with the first. Raises NotFound."""
        values = {"released_by": principal.subject, "release_reason": reason, "release_time": func.now()}
        async with as_tenant(self._pool, principal.tenant, principal.environment) as connection:
            await connection.execute(
                update(HOLDS).where(HOLDS.c.hold_id == hold_id, HOLDS.c.release_time.is_(None)).values(values)
            )
            hold = (await connection.execute(select(HOLDS).where(HOLDS.c.hold_id == hold_id))).first()
        if hold is None:
            raise NotFound("no such hold in this tenant", kind="hold", name=hold_id)
        log.info("evidence_released", evidence_id=hold.evidence_id, hold_id=hold_id)
        return hold_of(hold)


async def _file(connection: AsyncConnection, evidence_id: str) -> Any:  # noqa: ANN401 - SQLAlchemy's row types
    row = (await connection.execute(select(EVIDENCE).where(EVIDENCE.c.evidence_id == evidence_id))).first()
    if row is None or row.state == "keeping":
        raise NotFound("no such file in this tenant", kind="evidence", name=evidence_id)
    if row.state != "kept":
        raise WrongState("the file's time was over, and it has been deleted", reason="EVIDENCE_DELETED")
    return row


async def _standing(connection: AsyncConnection, evidence_id: str, who: str, reason: str) -> Any:  # noqa: ANN401
    query = select(HOLDS).where(
        HOLDS.c.evidence_id == evidence_id,
        HOLDS.c.held_by == who,
        HOLDS.c.reason == reason,
        HOLDS.c.release_time.is_(None),
    )
    return (await connection.execute(query.limit(1))).first()
