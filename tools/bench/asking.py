"""Asks a mesh as game servers do: many users on many channels, every line different."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any

from moat_client import Moat

from tools.bench.load import Ask, Load, closed_loop, open_loop
from tools.bench.meshes import RunningMesh
from tools.bench.stats import Result, summarise
from tools.bench.texts import lines

USERS, CHANNELS = 20_000, 400
"""So many that nobody types faster than a person."""


def asking(moat: Moat, prefix: str = "u") -> Ask:
    """Moderates a line as the next user's."""
    number = itertools.count()

    async def ask(line: str) -> None:
        n = next(number)
        await moat.moderate(line, user_id=f"{prefix}{n % USERS}", channel_id=f"{prefix}{n % CHANNELS}")

    return ask


async def saturate(
    mesh: RunningMesh,
    *,
    callers: int,
    seconds: float,
    seed: int,
    **options: Any,  # noqa: ANN401 - the SDK's
) -> tuple[Result, Load]:
    """As many callers, each of which waits for its answer; `options` are the SDK's."""
    async with mesh.client(**options) as moat:
        load = await closed_loop(asking(moat), lines(seed), callers=callers, seconds=seconds)
    return summarise(load.latencies, load.elapsed), load


async def at_rate(mesh: RunningMesh, *, per_second: float, seconds: float, seed: int) -> tuple[Result, Load]:
    """A schedule that waits for nobody."""
    async with mesh.client() as moat:
        load = await open_loop(asking(moat), lines(seed), per_second=per_second, seconds=seconds)
    return summarise(load.latencies, load.elapsed), load


async def quiet_tenants(
    mesh: RunningMesh, tenants: tuple[str, ...], *, per_second: float, seconds: float
) -> tuple[Result, int]:
    """Each asks at a rate that anybody could serve; all their answers together, and how many were refused."""

    async def one(tenant: str, seed: int) -> Load:
        async with mesh.client(tenant) as moat:
            return await open_loop(asking(moat, tenant), lines(seed), per_second=per_second, seconds=seconds)

    loads = await asyncio.gather(*(one(tenant, 900 + seed) for seed, tenant in enumerate(tenants)))
    latencies = [latency for load in loads for latency in load.latencies]
    return summarise(latencies, seconds), sum(load.failed for load in loads)


def different(seed: int, count: int) -> Iterator[str]:
    """`count` lines."""
    return itertools.islice(lines(seed), count)
