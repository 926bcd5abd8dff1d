"""Reads a fixed set of Redis Streams as one consumer of a group: every entry is handled at least once, whoever dies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio.cluster import RedisCluster
from redis.exceptions import ResponseError

from services.runtime.redis_cluster import run_keyed


@dataclass(frozen=True, slots=True)
class StreamEntry:
    """One entry of one stream."""

    stream: str
    entry_id: bytes
    fields: dict[bytes, bytes]


class StreamGroup:
    """One consumer. `streams` may lie in different slots: each is read by a command of its own, all in one pipeline."""

    def __init__(
        self, cluster: RedisCluster, streams: Sequence[str], *, group: str, consumer: str, abandoned_seconds: float
    ) -> None:
        """`consumer` keeps its name across restarts; others' entries are taken over after `abandoned_seconds`."""
        self._cluster = cluster
        self._streams = list(streams)
        self._group = group
        self._consumer = consumer
        self._abandoned_ms = int(abandoned_seconds * 1000)

    async def prepare(self) -> None:
        """Makes the group on every stream, from its beginning. Safe to repeat."""
        for stream in self._streams:
            try:
                await self._cluster.execute_command("XGROUP CREATE", stream, self._group, "0", "MKSTREAM")
            except ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise

    async def own_unfinished(self, count: int) -> list[StreamEntry]:
        """What this consumer was given and did not finish, for example because it was killed."""
        return await self._read(count, "0")

    async def fresh(self, count: int) -> list[StreamEntry]:
        """What nobody has been given yet; does not wait."""
        return await self._read(count, ">")

    async def abandoned(self, count: int) -> list[StreamEntry]:
        """What other consumers were given long ago and did not finish; it is this one's now."""
        answers = await self._each(
            lambda stream: ("XAUTOCLAIM", stream, self._group, self._consumer, self._abandoned_ms, "0", "COUNT", count)
        )
        return [
            StreamEntry(stream, entry_id, _fields(pairs))
            for stream, answer in zip(self._streams, answers, strict=True)
            for entry_id, pairs in (answer[1] if answer else ())
            if pairs
        ]

    async def finish(self, entries: Sequence[StreamEntry]) -> None:
        """Marks entries as handled and removes them."""
        by_stream: dict[str, list[bytes]] = {}
        for entry in entries:
            by_stream.setdefault(entry.stream, []).append(entry.entry_id)
        await run_keyed(
            self._cluster,
            [
                (stream, command)
                for stream, ids in by_stream.items()
                for command in (("XACK", stream, self._group, *ids), ("XDEL", stream, *ids))
            ],
        )

    async def waiting(self) -> int:
        """Entries in the streams, handled ones not counted."""
        answers = await self._each(lambda stream: ("XLEN", stream))
        return sum(int(answer) for answer in answers)

    async def _read(self, count: int, start: str) -> list[StreamEntry]:
        answers = await self._each(
            lambda stream: (
                "XREADGROUP",
                "GROUP",
                self._group,
                self._consumer,
                "COUNT",
                count,
                "STREAMS",
                stream,
                start,
            )
        )
        return [
            StreamEntry(stream, entry_id, _fields(pairs))
            for stream, answer in zip(self._streams, answers, strict=True)
            for entry_id, pairs in _entries(answer)
            if pairs
        ]

    async def _each(self, command: Callable[[str], Sequence[Any]]) -> list[Any]:
        return await run_keyed(self._cluster, [(stream, command(stream)) for stream in self._streams])


def _entries(answer: Any) -> list[Any]:  # noqa: ANN401 - RESP2 answers a list of pairs, RESP3 a map
    if not answer:
        return []
    entries: list[Any] = next(iter(answer.values())) if isinstance(answer, dict) else answer[0][1]
    if entries and isinstance(entries[0], list) and entries[0] and isinstance(entries[0][0], (list, tuple)):
        entries = entries[0]
    return entries


def _fields(pairs: Any) -> dict[bytes, bytes]:  # noqa: ANN401
    if isinstance(pairs, dict):
        return pairs
    return dict(zip(pairs[::2], pairs[1::2], strict=True))
