"""A cluster of which no node can be reached fails like everything else that Redis does: loops that outlive it rely on that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from redis.asyncio.cluster import RedisCluster
from redis.exceptions import RedisError

from services.runtime.redis_cluster import open_cluster, run_keyed
from tools.launcher.ports import LOOPBACK, Ports


@pytest.fixture
async def unreachable() -> AsyncIterator[RedisCluster]:
    with Ports() as ports:
        cluster = open_cluster(LOOPBACK, ports.pick(21_000), "password")
        yield cluster
        await cluster.aclose()


COMMANDS: dict[str, Callable[[RedisCluster], Awaitable[object]]] = {
    "a command with a key": lambda cluster: cluster.exists("key"),
    "a command for any node": lambda cluster: cluster.execute_command("PING", target_nodes=RedisCluster.RANDOM),
    "a list of commands": lambda cluster: run_keyed(cluster, [("key", ("XLEN", "key"))]),
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
async def test_it_fails_with_a_redis_error(
    unreachable: RedisCluster, command: Callable[[RedisCluster], Awaitable[object]]
) -> None:
    for _ in range(2):
        with pytest.raises(RedisError):
            await command(unreachable)
        await asyncio.sleep(0)
