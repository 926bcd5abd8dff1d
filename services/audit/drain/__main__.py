"""`python -m services.audit.drain`."""

from __future__ import annotations

import asyncio
import sys

from services.audit.drain.sink import Sink
from services.audit.drain.worker import Drain
from services.audit.log import keys
from services.audit.settings import LOG_SHARDS, DrainSettings
from services.runtime.background import end_tasks
from services.runtime.postgres import open_pool
from services.runtime.process import run_process, server_settings
from services.runtime.redis_cluster import open_cluster
from services.runtime.server import Server
from services.runtime.stream_group import StreamGroup
from services.runtime.topology import Topology

NAME = "audit-drain"
WRITER = "moat_audit_drain"


async def serve(topology: Topology, settings: DrainSettings) -> None:
    """Runs until SIGTERM; its server answers for its health only."""
    redis = topology.redis_log
    cluster = open_cluster(redis.host, redis.port, redis.password())
    pool = open_pool(topology.postgres.url(WRITER), size=2)
    group = StreamGroup(
        cluster,
        [keys.decisions(number) for number in range(LOG_SHARDS)],
        group="record",
        consumer=settings.consumer,
        abandoned_seconds=settings.abandoned_seconds,
    )
    drain = Drain(group, Sink(pool), batch=settings.batch, idle_seconds=settings.idle_seconds)

    async def ready() -> bool:
        return drain.well

    task = asyncio.create_task(drain.run())
    try:
        await Server(server_settings(topology, NAME), [], ready=ready).run()
    finally:
        await end_tasks([task])
        await cluster.aclose()
        await pool.dispose()


if __name__ == "__main__":
    sys.exit(run_process(NAME, DrainSettings, serve))
