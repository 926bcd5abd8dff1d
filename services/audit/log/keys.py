"""The names of the log's keys.

A fixed number of shards: work per decision stays flat as tenants grow, and a drain reads all of them in a fixed number of
commands (ADR 3).
"""

from __future__ import annotations

from services.runtime.redis_cluster import shard_of

RECORD = b"record"
DUPLICATE_OF = b"duplicate_of"
INTENT = b"intent"
"""Fields of the streams' entries."""


def shard(tenant: str, environment: str, request_id: str, shards: int) -> int:
    """The shard of a request id, for ever."""
    return shard_of(f"{tenant}\0{environment}\0{request_id}", shards)


def decisions(number: int) -> str:
    """The stream of a shard's decisions: fields `record` and, for a spooled duplicate, `duplicate_of`."""
    return f"{{log:{number:02d}}}:decisions"


def intents(number: int) -> str:
    """The stream of a shard's intents: field `intent`, a serialised EffectIntent."""
    return f"{{log:{number:02d}}}:intents"


def seen(number: int, tenant: str, environment: str, request_id: str) -> str:
    """What is remembered of a request id."""
    return f"{{log:{number:02d}}}:seen:{tenant}:{environment}:{request_id}"
