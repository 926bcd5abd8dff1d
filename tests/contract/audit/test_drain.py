"""The drain while the log is away: it goes on by itself when the log is back, for nobody starts it again."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from services.audit.drain.sink import Sink
from services.audit.drain.worker import Drain
from services.runtime.background import end_tasks
from services.runtime.postgres import open_pool
from services.runtime.redis_cluster import open_cluster
from services.runtime.stream_group import StreamGroup
from tests.contract.gateway.waiting import until
from tools.launcher.ports import LOOPBACK, Ports


async def test_a_log_that_cannot_be_reached_does_not_end_the_drain() -> None:
    with Ports() as ports, capture_logs() as logs:
        cluster = open_cluster(LOOPBACK, ports.pick(21_000), "password")
        pool = open_pool(f"postgresql+psycopg://nobody:none@{LOOPBACK}:{ports.pick(21_000)}/none")
        group = StreamGroup(cluster, ["a stream"], group="record", consumer="drain-0", abandoned_seconds=15)
        drain = Drain(group, Sink(pool), batch=10, idle_seconds=0.001)
        running: asyncio.Task[None] = asyncio.create_task(drain.run())
        await until(lambda: running.done() or len(logs) >= 3)
        assert not running.done()
        assert not drain.well
        await end_tasks([running])
        await cluster.aclose()
        await pool.dispose()
    assert {entry["event"] for entry in logs} == {"drain_interrupted"}
