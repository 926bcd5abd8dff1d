"""The windows' store: one function call a shard, one round trip a list."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgpack
from redis.asyncio.cluster import RedisCluster
from redis.exceptions import RedisError, ResponseError

from services.runtime.errors import DependencyDown
from services.runtime.logs import log
from services.runtime.redis_cluster import run_keyed, shard_of

_FUNCTION = "moat_context_v2"
"""Another one whenever operations or their answers change: an older context may still run beside this one."""
_FUNCTIONS = (Path(__file__).parent / "windows.lua").read_text()

Operation = list[Any]
"""Name, subject and arguments, as `windows.lua` has them."""


class Plan:
    """Operations of one list, gathered by the slot they belong to. `add` returns where its answer will be."""

    def __init__(self, shards: int) -> None:
        """`shards`: over how many slots a tenant is spread."""
        self._shards = shards
        self.by_tag: dict[str, list[Operation]] = {}

    def add(self, tenant: str, environment: str, subject: str, operation: Operation) -> tuple[str, int]:
        """Plans an operation on `subject`."""
        tag = f"{{{tenant}:{environment}:{shard_of(subject, self._shards):02d}}}:"
        operations = self.by_tag.setdefault(tag, [])
        operations.append(operation)
        return tag, len(operations) - 1


class Windows:
    """Runs plans."""

    def __init__(self, cluster: RedisCluster, *, shards: int) -> None:
        """`cluster` is the `state` Redis."""
        self._cluster = cluster
        self._shards = shards

    def plan(self) -> Plan:
        """An empty plan."""
        return Plan(self._shards)

    async def prepare(self) -> None:
        """Loads the functions. Safe to repeat."""
        await self._cluster.execute_command("FUNCTION LOAD", "REPLACE", _FUNCTIONS, target_nodes=RedisCluster.PRIMARIES)

    async def ping(self) -> bool:
        """Whether the windows can be asked: Redis answers, and has our functions or takes them."""
        plan = self.plan()
        plan.by_tag["{health}:"] = []
        try:
            await self.run(plan)
        except DependencyDown:
            return False
        return True

    async def run(self, plan: Plan) -> dict[str, Sequence[Any]]:
        """The answers by tag. Raises DependencyDown."""
        try:
            return await self._run(plan)
        except ResponseError as error:
            if "Function not found" not in str(error):
                raise _down(error) from error
        except (RedisError, OSError) as error:
            raise _down(error) from error
        try:
            await self.prepare()
            return await self._run(plan)
        except (RedisError, OSError) as error:
            raise _down(error) from error

    async def _run(self, plan: Plan) -> dict[str, Sequence[Any]]:
        calls = [
            (tag, ("FCALL", _FUNCTION, 1, tag, msgpack.packb(operations))) for tag, operations in plan.by_tag.items()
        ]
        return dict(zip(plan.by_tag, await run_keyed(self._cluster, calls), strict=True))


def _down(error: Exception) -> DependencyDown:
    log.warning("windows_down", error=type(error).__name__)
    return DependencyDown("the windows cannot be reached", reason="STATE_DOWN")
