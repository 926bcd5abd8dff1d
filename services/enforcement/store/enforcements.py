"""Enforcements in Postgres. Applying is an insert that does nothing when the row is there: that makes it once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.enforcement.model import Enforcement, Restriction
from services.runtime.postgres import as_tenant, as_tenants

_NAMES = [field.name for field in fields(Enforcement)]
_COLUMNS = ", ".join(_NAMES)
_INSERT = text(
    f"insert into enforcement.enforcements ({_COLUMNS}, cached) "  # noqa: S608 - column names of ours
    f"values ({', '.join(':' + name for name in _NAMES)}, :cached) on conflict do nothing"
)
_SELECT = text(
    f"select {_COLUMNS} from enforcement.enforcements where enforcement_id = any (cast(:ids as uuid[]))"  # noqa: S608
)
_REVERSE = text("""
    update enforcement.enforcements
    set reverse_time = :now, reverse_actor = :actor, reverse_reason = :reason, cached = false
    where enforcement_id = cast(:id as uuid) and reverse_time is null""")
_RESTRICTIONS = text("""
    select kind, channel_id, cast(enforcement_id as text) as enforcement_id,
           cast(extract(epoch from expire_time) as double precision) as expire_unix
    from enforcement.enforcements
    where tenant = :tenant and environment = :environment and user_id = :user_id
      and kind in (5, 6) and reverse_time is null and (expire_time is null or expire_time > now())
    order by expire_time nulls last limit 64""")
_UNCACHED = text("""
    select distinct tenant, environment, user_id from enforcement.enforcements
    where not cached and tenant = any (string_to_array(current_setting('app.tenants', true), ',')) limit 500""")
_LOCK = text("select pg_advisory_xact_lock(hashtextextended(:name, 0))")
_MARK = text("""
    update enforcement.enforcements set cached = true
    where tenant = :tenant and environment = :environment and user_id = :user_id and not cached""")
_FORGET = text("""
    update enforcement.enforcements set cached = false
    where kind in (5, 6) and reverse_time is null and (expire_time is null or expire_time > now())""")

Subject = tuple[str, str, str]
"""Tenant, environment, user."""


class Enforcements:
    """Reads and writes enforcements. `own` signs in as the role of tenants' calls, `worker` as the background's."""

    def __init__(self, own: AsyncEngine, worker: AsyncEngine) -> None:
        """Both are pools of roles that row-level security holds for."""
        self._own = own
        self._worker = worker

    async def ping(self) -> bool:
        """Whether Postgres answers."""
        async with self._worker.connect() as connection:
            await connection.execute(text("select 1"))
        return True

    async def apply_many(self, wanted: Sequence[Enforcement]) -> dict[str, Enforcement]:
        """Makes what is not there yet, in one transaction over all tenants; returns all of it, as it stands, by id."""
        async with as_tenants(self._worker, [one.tenant for one in wanted]) as connection:
            await _insert(connection, wanted)
            return await _by_id(connection, [one.enforcement_id for one in wanted])

    async def apply(self, wanted: Enforcement) -> Enforcement:
        """Makes one, or returns the one that is there under its id."""
        async with as_tenant(self._own, wanted.tenant, wanted.environment) as connection:
            await _insert(connection, [wanted])
            return (await _by_id(connection, [wanted.enforcement_id]))[wanted.enforcement_id]

    async def get(self, tenant: str, environment: str, enforcement_id: str) -> Enforcement | None:
        """None when there is no such in this tenant and environment."""
        async with as_tenant(self._own, tenant, environment) as connection:
            return (await _by_id(connection, [enforcement_id])).get(enforcement_id)

    async def reverse(
        self, tenant: str, environment: str, enforcement_id: str, *, actor: str, reason: str, now: datetime
    ) -> Enforcement:
        """Takes one back; the first reversal stays."""
        async with as_tenant(self._own, tenant, environment) as connection:
            await connection.execute(_REVERSE, {"id": enforcement_id, "actor": actor, "reason": reason, "now": now})
            return (await _by_id(connection, [enforcement_id]))[enforcement_id]

    async def uncached(self, tenants: Sequence[str]) -> list[Subject]:
        """Users whose enforcements the cache may not know of."""
        async with as_tenants(self._worker, tenants) as connection:
            return [(row[0], row[1], row[2]) for row in await connection.execute(_UNCACHED)]

    async def forget_cached(self, tenants: Sequence[str]) -> None:
        """The cache has lost something: everything in force has to be written again."""
        async with as_tenants(self._worker, tenants) as connection:
            await connection.execute(_FORGET)

    async def refresh(self, subject: Subject, write: Any) -> None:  # noqa: ANN401 - async (subject, restrictions) → None
        """Reads what holds for a user and hands it to `write`, one refresh of a user at a time: an old state can never
        overwrite a newer one. Marked as cached only when `write` has returned."""
        tenant, environment, user_id = subject
        names = {"tenant": tenant, "environment": environment, "user_id": user_id}
        async with as_tenants(self._worker, [tenant]) as connection:
            await connection.execute(_LOCK, {"name": "\x1f".join(subject)})
            rows = await connection.execute(_RESTRICTIONS, names)
            await write(subject, [Restriction(*row) for row in rows])
            await connection.execute(_MARK, names)


async def _insert(connection: AsyncConnection, wanted: Sequence[Enforcement]) -> None:
    rows = [{**asdict(one), "rule_ids": list(one.rule_ids), "cached": not one.restricts} for one in wanted]
    await connection.execute(_INSERT, rows)


async def _by_id(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, Enforcement]:
    found = [_enforcement(row) for row in await connection.execute(_SELECT, {"ids": list(ids)})]
    return {one.enforcement_id: one for one in found}


def _enforcement(row: Row[Any]) -> Enforcement:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name
    values["enforcement_id"] = str(values["enforcement_id"])
    values["rule_ids"] = tuple(values["rule_ids"])
    values["request_digest"] = bytes(values["request_digest"])
    return Enforcement(**values)
