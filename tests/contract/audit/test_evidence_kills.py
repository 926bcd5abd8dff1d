"""The audit service killed while it keeps and while it deletes: nothing that was answered is lost, and nothing stays."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from typing import TYPE_CHECKING

import grpc
import psycopg
import pytest
from moat.audit.v1 import audit_service_pb2, evidence_store_service_pb2

from tests.contract.audit.service import Service, audit_process, callers
from tools.launcher.database import connection_string
from tools.launcher.secrets import SUPERUSER

if TYPE_CHECKING:
    from tools.launcher.control import Mesh

KILLS = 3
KEEPERS = 6
WHY = "a test that kills"
SETTINGS = {"AUDIT_EVIDENCE__SWEEP_SECONDS": "0.05", "AUDIT_EVIDENCE__SWEEP_MOST": "4"}
KeepItem = evidence_store_service_pb2.KeepItem


def rows(service: Service, statement: str) -> list[tuple[str, ...]]:
    """As the database's superuser; the statement is about one tenant."""
    server = service.topology.postgres
    with psycopg.connect(connection_string(server, SUPERUSER), dbname=server.database, autocommit=True) as connection:
        cursor = connection.execute(statement.encode(), [service.tenant])
        return cursor.fetchall() if cursor.description else []


def objects(service: Service) -> set[str]:
    """By evidence id; what was being written when the service was killed counts as well."""
    folder = service.topology.process("audit").state_dir / "evidence" / service.tenant
    return {path.name.partition(".")[0] for path in folder.rglob("*") if path.is_file()}


async def keep_on(service: Service, kept: dict[str, tuple[KeepItem, bytes]]) -> None:
    """Until the service is gone."""
    while True:
        data = os.urandom(random.randint(1, 200_000))
        item = service.item(data)
        with contextlib.suppress(AssertionError):
            results = await service.keep(item)
            if 0 in results and not results[0].HasField("error"):
                kept[item.file.evidence_id] = (item, data)


@pytest.mark.timeout(300)
async def test_what_was_answered_is_there_and_what_is_over_goes_whenever_the_service_is_killed(servers: Mesh) -> None:
    kept: dict[str, tuple[KeepItem, bytes]] = {}
    tenant = ""
    for _ in range(KILLS):
        with audit_process(servers, SETTINGS) as audit:
            async with callers(servers) as service:
                service.tenant = tenant = tenant or service.tenant
                keepers = [asyncio.create_task(keep_on(service, kept)) for _ in range(KEEPERS)]
                before = len(kept)
                async with asyncio.timeout(30):
                    while len(kept) < before + random.randint(5, 25):
                        await asyncio.sleep(0.01)
                audit.kill()
                ended = await asyncio.gather(*keepers, return_exceptions=True)
        assert all(isinstance(one, grpc.aio.AioRpcError) for one in ended), ended
    with audit_process(servers, SETTINGS):
        async with callers(servers) as service:
            service.tenant = tenant
            await all_open(service, kept)
            named = {str(row[0]) for row in rows(service, "select evidence_id from audit.evidence where tenant = %s")}
            assert objects(service) <= named, "an object that no row knows of is never deleted"
    await gone_after_kills(servers, tenant)


async def all_open(service: Service, kept: dict[str, tuple[KeepItem, bytes]]) -> None:
    assert len(kept) >= 5 * KILLS
    for evidence_id, (_, data) in kept.items():
        request = audit_service_pb2.GetEvidenceRequest(evidence_id=evidence_id, reason=WHY)
        found = await service.audit.GetEvidence(request, metadata=service.people("auditor"))
        assert found.data == data


async def gone_after_kills(servers: Mesh, tenant: str) -> None:
    """Retention deletes a few files a round, and is killed in the middle."""
    left = -1
    for number in range(KILLS + 1):
        with audit_process(servers, SETTINGS) as audit:
            async with callers(servers) as service:
                service.tenant = tenant
                if number == 0:
                    rows(service, "update audit.evidence set delete_time = now() where tenant = %s")
                left = len(objects(service))
                async with asyncio.timeout(30):
                    while objects(service) and (number == KILLS or len(objects(service)) > left - 3):
                        await asyncio.sleep(0.005)
                if number < KILLS:
                    audit.kill()
                    audit.wait()
                else:
                    await until_all_rows_say_so(service)
                    assert not objects(service)


async def until_all_rows_say_so(service: Service) -> None:
    async with asyncio.timeout(30):
        while rows(service, "select 1 from audit.evidence where tenant = %s and state <> 'deleted'"):
            await asyncio.sleep(0.05)
