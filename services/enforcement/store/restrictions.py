"""What holds for users now, in Redis: one field a user, one command a shard and list of users.

A copy of what Postgres says; `worker.py` keeps it true and makes it again when it is lost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgpack
from redis.asyncio.cluster import RedisCluster

from services.enforcement.model import Restriction
from services.enforcement.store.enforcements import Subject
from services.runtime.redis_cluster import run_keyed, shard_of


class Restrictions:
    """The read cache of the hot path."""

    def __init__(self, cluster: RedisCluster, *, shards: int) -> None:
        """`shards`: over how many slots a tenant is spread."""
        self._cluster = cluster
        self._shards = shards

    async def read(self, subjects: Sequence[Subject]) -> list[list[Restriction]]:
        """What holds, expired ones included, in the order of `subjects`. Raises RedisError."""
        by_key: dict[str, list[int]] = defaultdict(list)
        for position, subject in enumerate(subjects):
            by_key[self._key(subject)].append(position)
        reads = [
            (key, ("HMGET", key, *(subjects[position][2] for position in positions)))
            for key, positions in by_key.items()
        ]
        answers = await run_keyed(self._cluster, reads)
        found: list[list[Restriction]] = [[] for _ in subjects]
        for positions, values in zip(by_key.values(), answers, strict=True):
            for position, value in zip(positions, values, strict=True):
                if value is not None:
                    found[position] = [Restriction(*parts) for parts in msgpack.unpackb(value)]
        return found

    async def write(self, subject: Subject, held: Sequence[Restriction]) -> None:
        """Replaces what is known of a user."""
        key = self._key(subject)
        if held:
            value = msgpack.packb([(one.kind, one.channel_id, one.enforcement_id, one.expire_unix) for one in held])
            await self._cluster.execute_command("HSET", key, subject[2], value)
        else:
            await self._cluster.execute_command("HDEL", key, subject[2])

    async def run_id(self) -> str:
        """Changes when the server has been restarted, and may have lost its last second."""
        info = await self._cluster.info("server", target_nodes=RedisCluster.RANDOM)
        return str(info["run_id"])

    def _key(self, subject: Subject) -> str:
        tenant, environment, user_id = subject
        return f"{{{tenant}:{environment}:{shard_of(user_id, self._shards):02d}}}:restrictions"
