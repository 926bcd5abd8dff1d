"""EvidenceStoreService, and what AuditService says of evidence: request → domain call → response."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
from moat.audit.v1 import (
    audit_service_pb2,
    audit_service_pb2_grpc,
    evidence_store_service_pb2,
    evidence_store_service_pb2_grpc,
)

from services.audit.evidence.holds import Holds
from services.audit.evidence.keeping import Keeper, SealedFile
from services.audit.evidence.listing import Listing
from services.audit.evidence.metrics import REFUSED
from services.audit.evidence.reading import Reader
from services.audit.log.append import DecisionLog
from services.runtime import validation
from services.runtime.errors import DependencyDown, Internal, InvalidRequest, MoatError, OutOfTime
from services.runtime.ids import is_uuid
from services.runtime.lists.serving import each_list
from services.runtime.logs import log
from services.runtime.principal import current_principal
from services.runtime.timing import Stopwatch, seconds_left

_KINDS = frozenset(("image", "audio"))
_SHA256_BYTES = 32


class EvidenceStoreServicer(evidence_store_service_pb2_grpc.EvidenceStoreServiceServicer):
    """Takes files in."""

    def __init__(self, keeper: Keeper, decisions: DecisionLog) -> None:
        """`decisions` knows which request ids have a decision."""
        self._keeper = keeper
        self._decisions = decisions

    @each_list
    async def KeepEvidence(
        self, request: evidence_store_service_pb2.KeepEvidenceRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[evidence_store_service_pb2.KeepEvidenceResponse]:
        """Each file's answer leaves as soon as it is there."""
        bad = validation.check_list(request, "items")
        works = [self._result(index, item, bad.get(index)) for index, item in enumerate(request.items)]
        for work in asyncio.as_completed(works):
            yield evidence_store_service_pb2.KeepEvidenceResponse(results=[await work])

    async def _result(
        self, index: int, item: evidence_store_service_pb2.KeepItem, error: MoatError | None
    ) -> evidence_store_service_pb2.KeepResult:
        watch = Stopwatch(1)
        result = evidence_store_service_pb2.KeepResult(index=index)
        try:
            if error is not None:
                raise error  # noqa: TRY301 - all errors of an item are answered in one place
            async with asyncio.timeout(seconds_left(item.context.deadline_unix_nanos)):
                result.decided = await self._keep(item)
        except TimeoutError:
            error = OutOfTime("the file could not be kept in time")
        except MoatError as failed:
            error = failed
        except Exception as failed:  # noqa: BLE001 - one file's failure is not its neighbour's
            log.error("evidence_failed", exc_info=failed)
            error = Internal()
        if error is not None:
            REFUSED.labels(error.reason).inc()
            result.error.CopyFrom(error.to_status())
        result.timing.CopyFrom(watch.timing())
        return result

    async def _keep(self, item: evidence_store_service_pb2.KeepItem) -> bool:
        """Whether the request id has a decision already, and nothing was kept."""
        _check(item)
        owner = item.context
        spooled = False
        try:
            if await self._decisions.knows(owner.tenant, owner.environment, owner.request_id):
                return True
        except DependencyDown:
            # The decision goes to its gateway's spool, and may name the file days from now.
            spooled = True
        await self._keeper.keep(
            SealedFile(
                owner.tenant, owner.environment, owner.decision_id, item.user_id, item.file, item.sealed, named=spooled
            )
        )
        return False


class EvidenceServicer(audit_service_pb2_grpc.AuditServiceServicer):
    """The part of AuditService that is about evidence."""

    def __init__(self, listing: Listing, reader: Reader, holds: Holds) -> None:
        """See `wiring`."""
        self._listing = listing
        self._reader = reader
        self._holds = holds

    async def ListEvidence(
        self, request: audit_service_pb2.ListEvidenceRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> audit_service_pb2.ListEvidenceResponse:
        """See the proto."""
        principal = current_principal()
        found = await self._listing.of_decision(principal.tenant, principal.environment, request.decision_id)
        return audit_service_pb2.ListEvidenceResponse(evidence=found)

    async def GetEvidence(
        self, request: audit_service_pb2.GetEvidenceRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> audit_service_pb2.GetEvidenceResponse:
        """See the proto."""
        opened = await self._reader.read(current_principal(), request.evidence_id.lower(), _said(request.reason))
        return audit_service_pb2.GetEvidenceResponse(
            file=opened.file, decision_id=opened.decision_id, data=opened.data, reading=opened.reading
        )

    async def HoldEvidence(
        self, request: audit_service_pb2.HoldEvidenceRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> audit_service_pb2.HoldEvidenceResponse:
        """See the proto."""
        hold = await self._holds.place(current_principal(), request.evidence_id.lower(), _said(request.reason))
        return audit_service_pb2.HoldEvidenceResponse(hold=hold)

    async def ReleaseEvidence(
        self, request: audit_service_pb2.ReleaseEvidenceRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> audit_service_pb2.ReleaseEvidenceResponse:
        """See the proto."""
        hold = await self._holds.release(current_principal(), request.hold_id.lower(), _said(request.reason))
        return audit_service_pb2.ReleaseEvidenceResponse(hold=hold)

    async def ListEvidenceReadings(
        self, request: audit_service_pb2.ListEvidenceReadingsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> audit_service_pb2.ListEvidenceReadingsResponse:
        """See the proto."""
        principal = current_principal()
        page = await self._listing.readings(
            principal.tenant, principal.environment, request.decision_id, request.page_size, request.page_token
        )
        return audit_service_pb2.ListEvidenceReadingsResponse(readings=page.readings, next_page_token=page.next_token)


def _said(reason: str) -> str:
    """Raises InvalidRequest for a reason that says nothing, or that no database can hold."""
    if not reason.strip():
        raise InvalidRequest.field("reason", "must say why; blanks do not")
    if "\0" in reason:
        raise InvalidRequest.field("reason", "cannot have a NUL character")
    return reason.strip()


def _check(item: evidence_store_service_pb2.KeepItem) -> None:
    """What the rows require. Raises InvalidRequest."""
    file = item.file
    required = {
        "context.decision_id": (is_uuid(item.context.decision_id), "must be a UUID"),
        "file.evidence_id": (is_uuid(file.evidence_id), "must be a UUID"),
        "file.key_id": (is_uuid(file.key_id) and file.key_id == item.sealed.key_id, "must be the sealing key's UUID"),
        "file.kind": (file.kind in _KINDS, "must be image or audio"),
        "file.sha256": (len(file.sha256) == _SHA256_BYTES, "must be 32 bytes"),
        "file.size": (0 < file.size < len(item.sealed.ciphertext), "must be the size of what was sealed"),
        "file.delete_time": (file.HasField("delete_time"), "must be there"),
        "sealed.wrapped_key": (bool(item.sealed.wrapped_key), "must be there"),
        "user_id": ("\0" not in item.user_id, "cannot have a NUL character"),
    }
    for field, (holds, what) in required.items():
        if not holds:
            raise InvalidRequest.field(field, what)
