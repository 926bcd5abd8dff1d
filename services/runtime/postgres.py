"""Postgres through a pool, always as somebody: row-level security sees the tenant that each transaction names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

_BECOME = text("select set_config('app.tenant', :tenant, true), set_config('app.environment', :environment, true)")
_BECOME_MANY = text("select set_config('app.tenants', :tenants, true)")


def open_pool(url: str, *, size: int = 5) -> AsyncEngine:
    """A pool that replaces connections a restart has broken. `url` is `postgresql+psycopg://…`."""
    return create_async_engine(url, pool_size=size, max_overflow=0, pool_timeout=5, pool_pre_ping=True)


@asynccontextmanager
async def as_tenant(pool: AsyncEngine, tenant: str, environment: str) -> AsyncIterator[AsyncConnection]:
    """A transaction that sees and writes one tenant's rows in one environment. Commits unless an error leaves it."""
    if not tenant or not environment:
        message = "a transaction needs a tenant and an environment"
        raise ValueError(message)
    async with pool.begin() as connection:
        await connection.execute(_BECOME, {"tenant": tenant, "environment": environment})
        yield connection


@asynccontextmanager
async def as_tenants(pool: AsyncEngine, tenants: Sequence[str]) -> AsyncIterator[AsyncConnection]:
    """A transaction for a background worker that writes many tenants' rows: policies of its role say
    `tenant = any(string_to_array(current_setting('app.tenants', true), ','))`."""
    if not tenants or any("," in tenant for tenant in tenants):
        message = "name the tenants, none with a comma in it"
        raise ValueError(message)
    async with pool.begin() as connection:
        await connection.execute(_BECOME_MANY, {"tenants": ",".join(sorted(set(tenants)))})
        yield connection
