"""What is known of a decision's files: the files, their holds, and who has read them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from moat.audit.v1 import evidence_pb2
from sqlalchemy import literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncEngine

from services.audit.evidence.tables import EVIDENCE, HOLDS, READINGS, file_of, hold_of, reading_of, timestamp
from services.audit.store.paging import Position, read_token, write_token
from services.runtime.postgres import as_tenant

_DEFAULT_PAGE = 50


@dataclass(frozen=True, slots=True)
class Readings:
    """Some readings, and the way to the next ones (empty at the end)."""

    readings: Sequence[evidence_pb2.EvidenceReading]
    next_token: str


class Listing:
    """Reads rows, always as one tenant in one environment."""

    def __init__(self, pool: AsyncEngine) -> None:
        """`pool` signs in as the service's own role."""
        self._pool = pool

    async def of_decision(self, tenant: str, environment: str, decision_id: str) -> list[evidence_pb2.Evidence]:
        """In the order of parts; what never was kept whole is left out."""
        files = select(EVIDENCE).where(EVIDENCE.c.decision_id == decision_id, EVIDENCE.c.state != "keeping")
        holds = select(HOLDS).where(HOLDS.c.decision_id == decision_id).order_by(HOLDS.c.hold_time, HOLDS.c.hold_id)
        async with as_tenant(self._pool, tenant, environment) as connection:
            rows = (await connection.execute(files.order_by(EVIDENCE.c.part))).all()
            held = (await connection.execute(holds)).all() if rows else []
        by_file: dict[str, list[evidence_pb2.EvidenceHold]] = defaultdict(list)
        for row in held:
            by_file[row.evidence_id].append(hold_of(row))
        return [_evidence(row, by_file[row.evidence_id]) for row in rows]

    async def readings(self, tenant: str, environment: str, decision_id: str, size: int, token: str) -> Readings:
        """Newest first. Raises InvalidRequest for a token of another decision."""
        size = size or _DEFAULT_PAGE
        bound_to = f"readings of {decision_id}"
        order = (READINGS.c.read_time, READINGS.c.reading_id)
        query = select(READINGS).where(READINGS.c.decision_id == decision_id)
        if token:
            last = read_token(token, bound_to)
            query = query.where(tuple_(*order) < tuple_(literal(last.time), literal(last.row_id, order[1].type)))
        query = query.order_by(*(column.desc() for column in order)).limit(size + 1)
        async with as_tenant(self._pool, tenant, environment) as connection:
            rows = (await connection.execute(query)).all()
        end = rows[size - 1] if len(rows) > size else None
        next_token = "" if end is None else write_token(Position(end.read_time, end.reading_id), bound_to)
        return Readings([reading_of(row) for row in rows[:size]], next_token)


def _evidence(row: Any, holds: Sequence[evidence_pb2.EvidenceHold]) -> evidence_pb2.Evidence:  # noqa: ANN401
    kept = row.state == "kept"
    found = evidence_pb2.Evidence(
        file=file_of(row),
        decision_id=row.decision_id,
        state=evidence_pb2.EVIDENCE_STATE_KEPT if kept else evidence_pb2.EVIDENCE_STATE_DELETED,
        keep_time=timestamp(row.keep_time),
        holds=holds,
    )
    if row.gone_time is not None:
        found.gone_time.CopyFrom(timestamp(row.gone_time))
    return found
