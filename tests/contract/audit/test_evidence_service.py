"""The audit service itself, on each store: a gateway keeps, people read, hold and release, and a request decided keeps none."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest
from google.rpc import code_pb2, error_details_pb2
from grpc_status import rpc_status
from moat.audit.v1 import (
    audit_service_pb2,
    decision_log_service_pb2,
    decision_log_service_pb2_grpc,
    evidence_pb2,
)

from services.runtime.errors import RemoteError
from services.runtime.ids import new_id
from tests.contract.audit.service import Service, audit_process, callers
from tests.support.s3 import BUCKET, S3Server
from tools.launcher.control import Mesh

WHY = "case 17, a report by a parent"
LARGEST = 4 * 1024**2


async def refusal(call: Any) -> tuple[grpc.StatusCode, str]:  # noqa: ANN401
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    status = rpc_status.from_call(raised.value)  # type: ignore[arg-type]
    info = error_details_pb2.ErrorInfo()
    assert status
    assert any(detail.Unpack(info) for detail in status.details)
    return raised.value.code(), info.reason


@pytest.fixture(scope="module", params=["folder", "s3"])
def process(request: pytest.FixtureRequest, servers: Mesh) -> Iterator[subprocess.Popen[bytes]]:
    settings: dict[str, str] = {}
    if request.param == "s3":
        s3: S3Server = request.getfixturevalue("s3")
        bucket = {
            "ENDPOINT": s3.endpoint,
            "BUCKET": BUCKET,
            "ACCESS_KEY_FILE": str(s3.access_key_file),
            "SECRET_KEY_FILE": str(s3.secret_key_file),
        }
        settings = {f"AUDIT_EVIDENCE__BUCKET__{name}": value for name, value in bucket.items()}
    with audit_process(servers, settings) as audit:
        yield audit


@pytest.fixture
async def service(servers: Mesh, process: subprocess.Popen[bytes]) -> AsyncIterator[Service]:
    async with callers(servers) as opened:
        yield opened


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
    code, _ = await refusal(service.audit.GetEvidence(request, metadata=service.people("auditor")))
    assert code is grpc.StatusCode.INVALID_ARGUMENT


async def test_another_tenants_file_is_not_found(service: Service) -> None:
    item = service.item(b"a picture")
    await service.keep(item)
    request = audit_service_pb2.GetEvidenceRequest(evidence_id=item.file.evidence_id.upper(), reason=WHY)
    stranger = service.people("auditor", tenant="another")
    assert (await refusal(service.audit.GetEvidence(request, metadata=stranger)))[0] is grpc.StatusCode.NOT_FOUND
    assert (await service.audit.GetEvidence(request, metadata=service.people("auditor"))).data == b"a picture"


@pytest.mark.parametrize("role", ["game_server", "sre", "tenant_admin"])
async def test_a_role_that_may_not_read_is_refused(service: Service, role: str) -> None:
    request = audit_service_pb2.GetEvidenceRequest(evidence_id=new_id(), reason=WHY)
    code, _ = await refusal(service.audit.GetEvidence(request, metadata=service.people(role)))
    assert code is grpc.StatusCode.PERMISSION_DENIED
