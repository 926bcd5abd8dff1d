"""The log and its drain: one decision a request id in the record, whoever asks at the same time and whatever is killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

import psycopg
import pytest
from moat.audit.v1 import decision_record_pb2

from services.audit.log.append import Appended, DecisionLog, Entry, Fate
from services.audit.settings import LOG_SHARDS
from services.runtime.redis_cluster import open_cluster
from services.runtime.topology import Topology
from tests.contract.gateway.waiting import until
from tools.launcher.control import Mesh
from tools.launcher.home import ROOT
from tools.launcher.python_process import python_environment
from tools.launcher.secrets import SUPERUSER

ASKERS = 6
KILLS = 3


@dataclass
class Asked:
    """What was answered, by request id: the decisions' records, and how often the id was refused."""

    records: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    refused: dict[str, int] = field(default_factory=lambda: defaultdict(int))


@pytest.fixture
async def logs(servers: Mesh) -> AsyncIterator[list[DecisionLog]]:
    """The log as several replicas of the audit service hold it."""
    redis = Topology.load(servers.home.topology).redis_log
    clusters = [open_cluster(redis.host, redis.port, redis.password()) for _ in range(ASKERS)]
    yield [
        DecisionLog(cluster, shards=LOG_SHARDS, remember_seconds=3600, longest_backlog=50_000) for cluster in clusters
    ]
    for cluster in clusters:
        await cluster.aclose()


@pytest.fixture
def start_drain(servers: Mesh) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    environment = python_environment(servers.home, ["audit-drain"])
    with contextlib.ExitStack() as stack:

        def start() -> subprocess.Popen[bytes]:
            drain = subprocess.Popen(
                [sys.executable, "-m", "services.audit.drain"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
            )
            stack.callback(drain.wait)
            stack.callback(drain.kill)
            return drain

        yield start


@pytest.fixture
def tenant() -> str:
    return f"tenant-{uuid.uuid4()}"


def entry(tenant: str, request_id: str, content: int) -> Entry:
    """One asker's decision: an id of its own, and a digest of the content that all with that content share."""
    digest = bytes([content]) * 32
    record = decision_record_pb2.DecisionRecord(
        decision_id=str(uuid.uuid4()),
        tenant=tenant,
        environment="production",
        request_id=request_id,
        content_digest=digest,
        user_id=f"user of content {content}",
    )
    record.decide_time.GetCurrentTime()
    return Entry(tenant, "production", request_id, record.decision_id, digest, record.SerializeToString())


async def ask(log: DecisionLog, entries: list[Entry], asked: Asked) -> None:
    """In lists of any size, as a coalescer makes them."""
    while entries:
        some, entries = entries[: (size := random.randint(1, 8))], entries[size:]
        for one, answer in zip(some, await log.append(some), strict=True):
            note(one, answer, asked)


def note(one: Entry, answer: Appended, asked: Asked) -> None:
    if answer.fate is Fate.REUSED:
        asked.refused[one.request_id] += 1
        return
    assert answer.fate in {Fate.APPENDED, Fate.EXISTS}
    asked.records[one.request_id].append(answer.existing or one.record)


def recorded(topology: Topology, tenant: str) -> list[tuple[str, bytes]]:
    """Request id and record of each decision of the tenant's."""
    server = topology.postgres
    password = server.password_files[SUPERUSER].read_text().strip()
    with psycopg.connect(
        host=server.host, port=server.port, user=SUPERUSER, password=password, dbname=server.database
    ) as connection:
        return connection.execute(
            "select request_id, record from audit.decisions where tenant = %s", [tenant]
        ).fetchall()


@pytest.mark.parametrize("contents", [1, 2], ids=["the same content", "other content too"])
async def test_a_request_id_has_one_decision_however_many_ask_and_whatever_dies(
    servers: Mesh,
    logs: list[DecisionLog],
    start_drain: Callable[[], subprocess.Popen[bytes]],
    tenant: str,
    contents: int,
) -> None:
    topology = Topology.load(servers.home.topology)
    asked = Asked()
    enough = asyncio.Event()

    async def ask_all() -> None:
        """All ask for the same new ids, each in an order of its own."""
        ids = [str(uuid.uuid4()) for _ in range(20)]
        lists = [
            [entry(tenant, request_id, asker % contents) for request_id in random.sample(ids, len(ids))]
            for asker in range(ASKERS)
        ]
        await asyncio.gather(*(ask(log, entries, asked) for log, entries in zip(logs, lists, strict=True)))

    async def ask_on() -> None:
        while not enough.is_set():
            await ask_all()
            await asyncio.sleep(0.02)

    def count() -> int:
        return len(recorded(topology, tenant))

    async with asyncio.TaskGroup() as group:
        group.create_task(ask_on())
        for _ in range(KILLS):
            before = count()
            drain = start_drain()
            await until(lambda seen=before: count() > seen, seconds=20)  # type: ignore[misc]
            await asyncio.sleep(random.uniform(0, 0.1))
            os.kill(drain.pid, signal.SIGKILL)
            drain.wait()
        enough.set()
    await ask_all()  # so that there is something left to do
    last = start_drain()
    await until(lambda: count() >= len(asked.records), seconds=20)
    last.terminate()
    assert await asyncio.to_thread(last.wait, 20) == 0

    rows = recorded(topology, tenant)
    assert len(asked.records) >= 20 * KILLS
    assert len(rows) == len({request_id for request_id, _ in rows}), "no id has two decisions"
    answers = {request_id: set(records) for request_id, records in asked.records.items()}
    assert answers == {request_id: {record} for request_id, record in rows}, "everybody was told the one in the record"
    each = ASKERS // contents
    assert {len(records) for records in asked.records.values()} == {each}
    assert set(asked.refused.values()) == ({ASKERS - each} if contents > 1 else set())
