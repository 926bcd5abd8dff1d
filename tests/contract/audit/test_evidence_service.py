"""The audit service itself, on each store: a gateway keeps, people read, hold and release, and a request decided keeps none."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from google.rpc import code_pb2, error_details_pb2
from grpc_status import rpc_status
from moat.audit.v1 import (
    audit_service_pb2,
    audit_service_pb2_grpc,
    decision_log_service_pb2,
    decision_log_service_pb2_grpc,
    decision_record_pb2,
    evidence_pb2,
    evidence_store_service_pb2,
    evidence_store_service_pb2_grpc,
)
from moat.mesh.v1 import item_pb2

from services.audit.evidence.sealed_file import associated_data
from services.runtime.errors import RemoteError
from services.runtime.ids import new_id
from services.runtime.process import channel_to
from services.runtime.topology import Topology
from tests.support.s3 import BUCKET, S3Server
from tools.launcher.control import Mesh
from tools.launcher.home import ROOT
from tools.launcher.python_process import python_environment

WHY = "case 17, a report by a parent"
LARGEST = 4 * 1024**2


@dataclass
class Service:
    """A running audit service, its callers, and a tenant of their own."""

    topology: Topology
    as_gateway: grpc.aio.Channel
    as_edge: grpc.aio.Channel
    tenant: str

    def people(self, *roles: str, tenant: str = "", subject: str = "mina") -> Any:  # noqa: ANN401 - a call's metadata
        coded = base64.urlsafe_b64encode(json.dumps(roles).encode()).decode().rstrip("=")
        return (
            ("x-moat-subject", subject),
            ("x-moat-tenant", tenant or self.tenant),
            ("x-moat-environment", "production"),
            ("x-moat-token-expiry", str(int(time.time()) + 3600)),
            ("x-moat-roles", coded),
        )

    @property
    def audit(self) -> Any:  # noqa: ANN401 - grpc's stubs take no metadata of tuples
        return audit_service_pb2_grpc.AuditServiceStub(self.as_edge)

    def item(self, data: bytes, **context: Any) -> evidence_store_service_pb2.KeepItem:  # noqa: ANN401
        """As the gateway seals it."""
        about = {
            "tenant": self.tenant,
            "environment": "production",
            "decision_id": new_id(),
            "request_id": new_id(),
        } | context
        evidence_id, key, key_id, nonce = new_id(), os.urandom(32), str(uuid.uuid4()), os.urandom(12)
        associated = associated_data(about["tenant"], "production", about["decision_id"], evidence_id)
        item = evidence_store_service_pb2.KeepItem(
            context=item_pb2.ItemContext(**about),
            user_id="author",
            file=decision_record_pb2.EvidenceFile(
                evidence_id=evidence_id,
                kind="image",
                sha256=hashlib.sha256(data).digest(),
                size=len(data),
                key_id=key_id,
            ),
            sealed=decision_record_pb2.SealedContent(
                key_id=key_id,
                wrapped_key=aes_key_wrap(self.topology.content_key_file.read_bytes(), key),
                nonce=nonce,
                ciphertext=AESGCM(key).encrypt(nonce, data, associated),
            ),
        )
        item.file.delete_time.FromSeconds(int(time.time()) + 86400)
        return item

    async def keep(
        self, *items: evidence_store_service_pb2.KeepItem
    ) -> dict[int, evidence_store_service_pb2.KeepResult]:
        stub: Any = evidence_store_service_pb2_grpc.EvidenceStoreServiceStub(self.as_gateway)
        request = evidence_store_service_pb2.KeepEvidenceRequest(items=items, list=1)
        results: dict[int, evidence_store_service_pb2.KeepResult] = {}
        async for response in stub.KeepEvidence(iter([request]), timeout=20):
            assert not response.HasField("error"), response.error
            results |= {result.index: result for result in response.results}
        return results

    async def refusal(self, call: Any) -> tuple[grpc.StatusCode, str]:  # noqa: ANN401
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call
        status = rpc_status.from_call(raised.value)  # type: ignore[arg-type]
        info = error_details_pb2.ErrorInfo()
        assert status
        assert any(detail.Unpack(info) for detail in status.details)
        return raised.value.code(), info.reason


@pytest.fixture(scope="module", params=["folder", "s3"])
def process(request: pytest.FixtureRequest, servers: Mesh) -> Iterator[subprocess.Popen[bytes]]:
    environment = python_environment(servers.home, ["audit"])
    if request.param == "s3":
        s3: S3Server = request.getfixturevalue("s3")
        settings = {
            "ENDPOINT": s3.endpoint,
            "BUCKET": BUCKET,
            "ACCESS_KEY_FILE": str(s3.access_key_file),
            "SECRET_KEY_FILE": str(s3.secret_key_file),
        }
        environment |= {f"AUDIT_EVIDENCE__BUCKET__{name}": value for name, value in settings.items()}
    with subprocess.Popen(
        [sys.executable, "-m", "services.audit"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
    ) as audit:
        try:
            yield audit
        finally:
            audit.terminate()


@pytest.fixture
async def service(servers: Mesh, process: subprocess.Popen[bytes]) -> AsyncIterator[Service]:
    topology = Topology.load(servers.home.topology)
    async with channel_to(topology, "audit", me="gateway") as gateway, channel_to(topology, "audit", me="edge") as edge:
        async with asyncio.timeout(30):
            await gateway.channel_ready()
        yield Service(topology, gateway, edge, f"tenant-{uuid.uuid4()}")


async def test_the_largest_file_is_kept_and_read(service: Service) -> None:
    data = os.urandom(LARGEST)
    item = service.item(data)
    results = await service.keep(item)
    assert not results[0].HasField("error"), results[0].error
    assert results[0].timing.total_micros > 0
    request = audit_service_pb2.GetEvidenceRequest(evidence_id=item.file.evidence_id, reason=WHY)
    found = await service.audit.GetEvidence(request, metadata=service.people("moderator"))
    assert found.data == data
    assert (found.file, found.decision_id) == (item.file, item.context.decision_id)
    assert (found.reading.reader, found.reading.reason) == ("mina", WHY)


async def test_three_of_the_largest_fit_into_a_list(service: Service) -> None:
    results = await service.keep(*(service.item(os.urandom(LARGEST)) for _ in range(3)))
    assert [results[index].HasField("error") for index in range(3)] == [False] * 3


async def test_a_bad_file_does_not_fail_its_neighbours(service: Service) -> None:
    good, bad = service.item(b"a picture"), service.item(b"another")
    bad.file.kind = "video"
    without = service.item(b"a third")
    without.ClearField("sealed")
    results = await service.keep(bad, good, without)
    assert not results[1].HasField("error")
    assert "file.kind: must be image or audio" in RemoteError(results[0].error).message
    assert [results[index].error.code for index in (0, 2)] == [code_pb2.INVALID_ARGUMENT] * 2


async def test_a_file_whose_time_is_up_is_not_kept(service: Service) -> None:
    item = service.item(b"a picture", deadline_unix_nanos=time.time_ns() - 1)
    results = await service.keep(item)
    assert results[0].error.code == code_pb2.DEADLINE_EXCEEDED


async def test_a_request_that_has_a_decision_keeps_no_second_file(service: Service) -> None:
    first = service.item(b"a picture")
    append = decision_log_service_pb2.AppendItem(context=first.context, content_digest=b"x" * 32, record=b"a record")
    log: Any = decision_log_service_pb2_grpc.DecisionLogServiceStub(service.as_gateway)
    async for _ in log.AppendDecisions(
        iter([decision_log_service_pb2.AppendDecisionsRequest(items=[append], list=1)]), timeout=20
    ):
        pass
    repeat = service.item(b"a picture", request_id=first.context.request_id)
    results = await service.keep(repeat)
    assert results[0].decided
    listed = await service.audit.ListEvidence(
        audit_service_pb2.ListEvidenceRequest(decision_id=repeat.context.decision_id),
        metadata=service.people("auditor"),
    )
    assert not listed.evidence


async def test_people_hold_release_and_see_who_read(service: Service) -> None:
    item = service.item(b"a picture")
    await service.keep(item)
    auditor = service.people("auditor")
    evidence_id, decision_id = item.file.evidence_id, item.context.decision_id
    held = await service.audit.HoldEvidence(
        audit_service_pb2.HoldEvidenceRequest(evidence_id=evidence_id, reason=WHY), metadata=auditor
    )
    await service.audit.GetEvidence(
        audit_service_pb2.GetEvidenceRequest(evidence_id=evidence_id, reason=WHY),
        metadata=service.people("moderator", subject="omar"),
    )
    released = await service.audit.ReleaseEvidence(
        audit_service_pb2.ReleaseEvidenceRequest(hold_id=held.hold.hold_id, reason="the case is closed"),
        metadata=auditor,
    )
    assert released.hold.released_by == "mina"
    listed = await service.audit.ListEvidence(
        audit_service_pb2.ListEvidenceRequest(decision_id=decision_id), metadata=auditor
    )
    assert [(one.state, list(one.holds)) for one in listed.evidence] == [
        (evidence_pb2.EVIDENCE_STATE_KEPT, [released.hold])
    ]
    readings = await service.audit.ListEvidenceReadings(
        audit_service_pb2.ListEvidenceReadingsRequest(decision_id=decision_id), metadata=auditor
    )
    assert [(reading.reader, reading.reason) for reading in readings.readings] == [("omar", WHY)]


@pytest.mark.parametrize("reason", ["", "short", " " * 20, "nul \0 characters"])
async def test_nothing_is_read_without_a_reason(service: Service, reason: str) -> None:
    item = service.item(b"a picture")
    await service.keep(item)
    request = audit_service_pb2.GetEvidenceRequest(evidence_id=item.file.evidence_id, reason=reason)
    code, _ = await service.refusal(service.audit.GetEvidence(request, metadata=service.people("auditor")))
    assert code is grpc.StatusCode.INVALID_ARGUMENT


async def test_another_tenants_file_is_not_found(service: Service) -> None:
    item = service.item(b"a picture")
    await service.keep(item)
    request = audit_service_pb2.GetEvidenceRequest(evidence_id=item.file.evidence_id.upper(), reason=WHY)
    stranger = service.people("auditor", tenant="another")
    assert (await service.refusal(service.audit.GetEvidence(request, metadata=stranger)))[
        0
    ] is grpc.StatusCode.NOT_FOUND
    assert (await service.audit.GetEvidence(request, metadata=service.people("auditor"))).data == b"a picture"


@pytest.mark.parametrize("role", ["game_server", "sre", "tenant_admin"])
async def test_a_role_that_may_not_read_is_refused(service: Service, role: str) -> None:
    request = audit_service_pb2.GetEvidenceRequest(evidence_id=new_id(), reason=WHY)
    code, _ = await service.refusal(service.audit.GetEvidence(request, metadata=service.people(role)))
    assert code is grpc.StatusCode.PERMISSION_DENIED
