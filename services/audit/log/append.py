"""Appends decisions to the log: one function call a shard, one round trip a list."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path

from redis.asyncio.cluster import RedisCluster
from redis.exceptions import RedisError, ResponseError

from services.audit.log import keys
from services.runtime.errors import DependencyDown
from services.runtime.logs import log
from services.runtime.redis_cluster import run_keyed

_FUNCTIONS = (Path(__file__).parent / "append.lua").read_text()


class Fate(IntEnum):
    """What became of an append; the numbers are `append.lua`'s."""

    APPENDED = 0
    EXISTS = 1
    REUSED = 2
    DUPLICATE = 3
    FULL = 4


@dataclass(frozen=True, slots=True)
class Entry:
    """One decision to append."""

    tenant: str
    environment: str
    request_id: str
    decision_id: str
    digest: bytes
    record: bytes
    intent: bytes = b""
    spooled: bool = False


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of one entry, and the earlier record where there is one."""

    fate: Fate
    existing: bytes = b""


class DecisionLog:
    """The log's writing end. Every answer is on disk: the server syncs before it answers (`appendfsync always`)."""

    def __init__(self, cluster: RedisCluster, *, shards: int, remember_seconds: int, longest_backlog: int) -> None:
        """`longest_backlog`: decisions a shard's stream may hold before the log says that it is full."""
        self._cluster = cluster
        self._shards = shards
        self._bounds = (str(remember_seconds), str(longest_backlog))

    async def prepare(self) -> None:
        """Loads the functions. Safe to repeat."""
        await self._cluster.execute_command("FUNCTION LOAD", "REPLACE", _FUNCTIONS, target_nodes=RedisCluster.PRIMARIES)

    async def ping(self) -> bool:
        """Whether the log answers."""
        return bool(await self._cluster.execute_command("PING", target_nodes=RedisCluster.RANDOM))

    async def knows(self, tenant: str, environment: str, request_id: str) -> bool:
        """Whether the request id has a decision. Raises DependencyDown."""
        shard = keys.shard(tenant, environment, request_id, self._shards)
        try:
            return bool(await self._cluster.exists(keys.seen(shard, tenant, environment, request_id)))
        except RedisError as error:
            raise _down(error) from error

    async def drained_until(self) -> datetime:
        """What was appended before is in the record: the drain removes what it has written. Raises DependencyDown."""
        now = datetime.now(UTC)
        streams = [keys.decisions(shard) for shard in range(self._shards)]
        try:
            answers = await run_keyed(
                self._cluster, [(stream, ("XRANGE", stream, "-", "+", "COUNT", 1)) for stream in streams]
            )
        except RedisError as error:
            raise _down(error) from error
        firsts = [bytes(answer[0][0]) for answer in answers if answer]
        return min((datetime.fromtimestamp(int(first.split(b"-")[0]) / 1000, UTC) for first in firsts), default=now)

    async def append(self, entries: Sequence[Entry]) -> list[Appended]:
        """One answer an entry, in order. Raises DependencyDown when it is not known what happened: repeating is safe,
        because an entry with the same decision id is the same entry."""
        try:
            return await self._append(entries)
        except ResponseError as error:
            if "Function not found" not in str(error):
                raise _down(error) from error
        except RedisError as error:
            raise _down(error) from error
        try:
            # A log that lost its functions (a new node) gets them again.
            await self.prepare()
            return await self._append(entries)
        except RedisError as error:
            raise _down(error) from error

    async def _append(self, entries: Sequence[Entry]) -> list[Appended]:
        by_shard: dict[int, list[int]] = defaultdict(list)
        for position, entry in enumerate(entries):
            by_shard[keys.shard(entry.tenant, entry.environment, entry.request_id, self._shards)].append(position)
        calls = [
            (keys.decisions(shard), self._command(shard, [entries[position] for position in positions]))
            for shard, positions in by_shard.items()
        ]
        answers = await run_keyed(self._cluster, calls)
        results = [Appended(Fate.FULL)] * len(entries)
        for positions, answer in zip(by_shard.values(), answers, strict=True):
            for position, (fate, existing) in zip(positions, answer, strict=True):
                results[position] = Appended(Fate(fate), existing)
        return results

    def _command(self, shard: int, entries: Sequence[Entry]) -> list[str | bytes | int]:
        seen = [keys.seen(shard, entry.tenant, entry.environment, entry.request_id) for entry in entries]
        arguments: list[str | bytes | int] = [
            "FCALL", "moat_append", 2 + len(seen), keys.decisions(shard), keys.intents(shard), *seen, *self._bounds,
        ]  # fmt: skip
        for entry in entries:
            arguments += (entry.decision_id, entry.digest, entry.record, entry.intent, b"1" if entry.spooled else b"0")
        return arguments


def _down(error: Exception) -> DependencyDown:
    log.warning("log_append_failed", error=type(error).__name__)
    return DependencyDown("the decision log does not answer", reason="LOG_DOWN", retry_after_seconds=0.5)
