"""Reads decisions from Postgres, always as one tenant in one environment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from moat.audit.v1 import decision_record_pb2
from sqlalchemy import (
    ARRAY,
    Column,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    literal,
    select,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncEngine

from services.audit.store.filters import Filterable, compile_filter
from services.audit.store.paging import Position, read_token, write_token
from services.runtime.postgres import as_tenant

_METADATA = MetaData(schema="audit")
DECISIONS = Table(
    "decisions",
    _METADATA,
    Column("tenant", Text, primary_key=True),
    Column("environment", Text, primary_key=True),
    Column("decision_id", Uuid(as_uuid=False), primary_key=True),
    Column("request_id", Text),
    Column("user_id", Text),
    Column("channel_id", Text),
    Column("surface", Text),
    Column("outcome", Text),
    Column("category", Text),
    Column("severity", Integer),
    Column("degraded", ARRAY(Text)),
    Column("decide_time", DateTime(timezone=True)),
    Column("record", LargeBinary),
)
KEYS = Table(
    "subject_keys",
    _METADATA,
    Column("tenant", Text, primary_key=True),
    Column("environment", Text, primary_key=True),
    Column("key_id", Uuid(as_uuid=False), primary_key=True),
    Column("wrapped_key", LargeBinary),
)
FILTERABLE: dict[str, Filterable] = {
    name: Filterable(DECISIONS.c[name])
    for name in (
        "request_id",
        "user_id",
        "channel_id",
        "surface",
        "outcome",
        "category",
        "severity",
        "degraded",
        "decide_time",
    )
}
_DEFAULT_PAGE = 50


@dataclass(frozen=True, slots=True)
class Page:
    """Some decisions, and the way to the next ones (empty at the end)."""

    records: Sequence[decision_record_pb2.DecisionRecord]
    next_token: str


class Decisions:
    """The record's reading end."""

    def __init__(self, pool: AsyncEngine) -> None:
        """`pool` signs in as a role that row-level security holds for."""
        self._pool = pool

    async def get(self, tenant: str, environment: str, decision_id: str) -> decision_record_pb2.DecisionRecord | None:
        """One decision; None when there is no such in this tenant and environment."""
        row = await self._one(
            tenant, environment, select(DECISIONS.c.record).where(DECISIONS.c.decision_id == decision_id)
        )
        return None if row is None else decision_record_pb2.DecisionRecord.FromString(row[0])

    async def wrapped_key(self, tenant: str, environment: str, key_id: str) -> bytes | None:
        """A data key, wrapped; None when it has been destroyed."""
        row = await self._one(tenant, environment, select(KEYS.c.wrapped_key).where(KEYS.c.key_id == key_id))
        return None if row is None else bytes(row[0])

    async def page(self, tenant: str, environment: str, filter_: str, size: int, token: str) -> Page:
        """Newest first. Raises InvalidRequest for a bad filter or a token of another filter."""
        size = size or _DEFAULT_PAGE
        order = (DECISIONS.c.decide_time, DECISIONS.c.decision_id)
        query = select(*order, DECISIONS.c.record).order_by(*(column.desc() for column in order)).limit(size + 1)
        if filter_.strip():
            query = query.where(compile_filter(filter_, FILTERABLE))
        if token:
            position = read_token(token, filter_)
            query = query.where(
                tuple_(*order) < tuple_(literal(position.time), literal(position.row_id, order[1].type))
            )
        # Row-level security says the same; said here too, the index is used from its first column.
        query = query.where(DECISIONS.c.tenant == tenant, DECISIONS.c.environment == environment)
        async with as_tenant(self._pool, tenant, environment) as connection:
            rows = (await connection.execute(query)).all()
        records = [decision_record_pb2.DecisionRecord.FromString(row.record) for row in rows[:size]]
        for record in records:
            record.ClearField("sealed_content")
            record.ClearField("sealed_words")
        more = len(rows) > size
        last = rows[size - 1] if more else None
        return Page(records, write_token(Position(last.decide_time, last.decision_id), filter_) if last else "")

    async def _one(self, tenant: str, environment: str, query: Any) -> Any:  # noqa: ANN401 - SQLAlchemy's row types
        async with as_tenant(self._pool, tenant, environment) as connection:
            return (await connection.execute(query)).first()
