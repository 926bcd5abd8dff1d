"""A fake evidence store, served by the fake audit service."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from moat.audit.v1 import evidence_store_service_pb2 as evidence_pb
from moat.audit.v1 import evidence_store_service_pb2_grpc as evidence_grpc

from services.runtime.lists.serving import each_list
from services.runtime.server import Served
from services.runtime.timing import Stopwatch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from moat.mesh.v1 import item_pb2

    from services.runtime.errors import MoatError


class Decisions(Protocol):
    """Which requests have a decision."""

    def knows(self, context: item_pb2.ItemContext) -> bool: ...


class EvidenceStore(evidence_grpc.EvidenceStoreServiceServicer):
    """In memory. `error` refuses every file, `gate` holds answers back."""

    def __init__(self, decisions: Decisions) -> None:
        self._decisions = decisions
        self.error: MoatError | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked: list[evidence_pb.KeepItem] = []
        self.kept: dict[str, evidence_pb.KeepItem] = {}

    def served(self) -> Served:
        return Served(
            evidence_pb.DESCRIPTOR.services_by_name["EvidenceStoreService"],
            partial(evidence_grpc.add_EvidenceStoreServiceServicer_to_server, self),
        )

    @each_list
    async def KeepEvidence(  # noqa: N802 - gRPC's own
        self,
        request: evidence_pb.KeepEvidenceRequest,
        context: Any,  # noqa: ANN401 - gRPC's own
    ) -> AsyncIterator[evidence_pb.KeepEvidenceResponse]:
        watch = Stopwatch(len(request.items))
        self.asked += request.items
        await self.gate.wait()
        results = [self._keep(index, item) for index, item in enumerate(request.items)]
        for result in results:
            result.timing.CopyFrom(watch.timing())
        yield evidence_pb.KeepEvidenceResponse(results=results)

    def _keep(self, index: int, item: evidence_pb.KeepItem) -> evidence_pb.KeepResult:
        if self.error is not None:
            return evidence_pb.KeepResult(index=index, error=self.error.to_status())
        if self._decisions.knows(item.context):
            return evidence_pb.KeepResult(index=index, decided=True)
        self.kept.setdefault(item.file.evidence_id, item)
        return evidence_pb.KeepResult(index=index)
