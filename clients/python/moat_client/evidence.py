"""Files that were kept as evidence, for people who may see them and say why."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from moat.audit.v1 import audit_service_pb2, audit_service_pb2_grpc, evidence_pb2

Call = Callable[[Any, Any], Awaitable[Any]]
"""Sends a request by a method of a stub."""


class Evidence:
    """`moat.evidence`. Every method raises MoatError."""

    def __init__(self, audit: audit_service_pb2_grpc.AuditServiceStub, call: Call) -> None:
        """`call` signs and sends."""
        self._audit = audit
        self._call = call

    async def list(self, decision_id: str) -> Sequence[evidence_pb2.Evidence]:
        """The files of a decision, those that are gone too, in the order of its parts; without their bytes."""
        request = audit_service_pb2.ListEvidenceRequest(decision_id=decision_id)
        response: audit_service_pb2.ListEvidenceResponse = await self._call(self._audit.ListEvidence, request)
        return response.evidence

    async def get(self, evidence_id: str, *, reason: str) -> audit_service_pb2.GetEvidenceResponse:
        """A file with its bytes. That you have read it, and the reason, is written down first; 8 to 500 characters."""
        request = audit_service_pb2.GetEvidenceRequest(evidence_id=evidence_id, reason=reason)
        response: audit_service_pb2.GetEvidenceResponse = await self._call(self._audit.GetEvidence, request)
        return response

    async def hold(self, evidence_id: str, *, reason: str) -> evidence_pb2.EvidenceHold:
        """Keeps a file beyond its time. Safe to repeat with the same reason."""
        request = audit_service_pb2.HoldEvidenceRequest(evidence_id=evidence_id, reason=reason)
        response: audit_service_pb2.HoldEvidenceResponse = await self._call(self._audit.HoldEvidence, request)
        return response.hold

    async def release(self, hold_id: str, *, reason: str) -> evidence_pb2.EvidenceHold:
        """Releases a hold. If it was the last, and the file's time is over, the file is deleted. Safe to repeat."""
        request = audit_service_pb2.ReleaseEvidenceRequest(hold_id=hold_id, reason=reason)
        response: audit_service_pb2.ReleaseEvidenceResponse = await self._call(self._audit.ReleaseEvidence, request)
        return response.hold

    async def readings(
        self, decision_id: str, *, page_size: int = 50, page_token: str = ""
    ) -> audit_service_pb2.ListEvidenceReadingsResponse:
        """A page of who has asked to see a decision's files, newest first."""
        request = audit_service_pb2.ListEvidenceReadingsRequest(
            decision_id=decision_id, page_size=page_size, page_token=page_token
        )
        response: audit_service_pb2.ListEvidenceReadingsResponse = await self._call(
            self._audit.ListEvidenceReadings, request
        )
        return response
