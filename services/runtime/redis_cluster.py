"""Redis as a cluster, also where the cluster is one node: a command across slots must fail here, not in production."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import Any

from redis.asyncio.cluster import RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError, RedisClusterException  # noqa: A004 - redis-py's own

_CONNECT_SECONDS = 1.0


class _Cluster(RedisCluster):
    """redis-py tells a cluster of which no node can be reached by an exception that is no RedisError: loops that go on after
    RedisErrors would end with it."""

    async def initialize(self, *arguments: Any, **more: Any) -> RedisCluster:  # noqa: ANN401 - redis-py's own
        """Raises RedisError."""
        try:
            await super().initialize(*arguments, **more)
        except RedisClusterException as error:
            raise ConnectionError("no node of the cluster can be reached") from error
        return self


def open_cluster(host: str, port: int, password: str, *, timeout_seconds: float = 5.0) -> RedisCluster:
    """A client that connects on first use and finds a restarted node again. Answers are bytes; what fails is a RedisError."""
    return _Cluster(
        host=host,
        port=port,
        password=password,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=_CONNECT_SECONDS,
        retry=Retry(ConstantBackoff(0.05), 1),
        max_connections=64,
    )


def shard_of(key: str, shards: int) -> int:
    """The shard a key belongs to: stable for ever, so records and windows are found again."""
    return zlib.crc32(key.encode()) % shards


async def run_keyed(cluster: RedisCluster, commands: Iterable[tuple[str, Sequence[Any]]]) -> list[Any]:
    """Runs commands, each on the node of the key beside it, in one round trip per node; answers in order. Raises RedisError.

    Where keys stand is told and not found out: for some commands (FCALL, XREADGROUP) the client would first ask the server
    which of the arguments are keys, and so send them all twice.
    """
    await cluster.initialize()
    pipeline = cluster.pipeline()
    for key, command in commands:
        pipeline.execute_command(*command, target_nodes=cluster.get_node_from_key(key))
    answers: list[Any] = await pipeline.execute()
    return answers
