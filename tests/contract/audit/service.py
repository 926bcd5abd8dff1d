"""The audit service as a process of its own, and those who call it."""

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
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from moat.audit.v1 import (
    audit_service_pb2_grpc,
    decision_record_pb2,
    evidence_store_service_pb2,
    evidence_store_service_pb2_grpc,
)
from moat.mesh.v1 import item_pb2

from services.audit.evidence.sealed_file import associated_data
from services.runtime.ids import new_id
from services.runtime.process import channel_to
from services.runtime.topology import Topology
from tools.launcher.control import Mesh
from tools.launcher.home import ROOT
from tools.launcher.python_process import python_environment


@contextmanager
def audit_process(servers: Mesh, settings: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Ends with the block, if nobody has killed it before. `settings` as `AUDIT_…` variables."""
    environment = {**python_environment(servers.home, ["audit"]), **settings}
    command = [sys.executable, "-m", "services.audit"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as audit:
        try:
            yield audit
        finally:
            audit.terminate()


@asynccontextmanager
async def callers(servers: Mesh) -> AsyncIterator[Service]:
    """Waits until the service listens."""
    topology = Topology.load(servers.home.topology)
    async with channel_to(topology, "audit", me="gateway") as gateway, channel_to(topology, "audit", me="edge") as edge:
        async with asyncio.timeout(30):
            await gateway.channel_ready()
        yield Service(topology, gateway, edge, f"tenant-{uuid.uuid4()}")


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
