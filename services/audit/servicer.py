"""DecisionLogService and AuditService: request → domain call → response."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
from moat.audit.v1 import (
    audit_service_pb2,
    decision_log_service_pb2,
    decision_log_service_pb2_grpc,
    decision_record_pb2,
)

from services.audit.evidence.holds import Holds
from services.audit.evidence.listing import Listing
from services.audit.evidence.reading import Reader
from services.audit.evidence.servicer import EvidenceServicer
from services.audit.log.append import Appended, DecisionLog, Entry, Fate
from services.audit.store.decisions import Decisions
from services.audit.unsealing import Unsealer
from services.runtime import validation
from services.runtime.errors import AlreadyExists, MoatError, NotFound, OverQuota
from services.runtime.lists.serving import each_list
from services.runtime.principal import Principal, current_principal
from services.runtime.timing import Stopwatch

EvidenceParts = tuple[Listing, Reader, Holds]
READ_CONTENT = "decisions.read_content"
_POLL_SECONDS = 0.05


class DecisionLogServicer(decision_log_service_pb2_grpc.DecisionLogServiceServicer):
    """The commit point."""

    def __init__(self, log: DecisionLog) -> None:
        """`log` makes durable."""
        self._log = log

    @each_list
    async def AppendDecisions(
        self, request: decision_log_service_pb2.AppendDecisionsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[decision_log_service_pb2.AppendDecisionsResponse]:
        """All items of a list become durable together, in one round trip."""
        watch = Stopwatch(len(request.items))
        bad = validation.check_list(request, "items")
        good = [index for index in range(len(request.items)) if index not in bad]
        response = decision_log_service_pb2.AppendDecisionsResponse()
        for index, error in bad.items():
            response.results.add(index=index, error=error.to_status())
        if good:
            fates = await self._log.append([_entry(request.items[index]) for index in good])
            timing = watch.timing()
            for index, appended in zip(good, fates, strict=True):
                result = response.results.add(index=index, existing=appended.existing, timing=timing)
                error_ = _error(appended, request.items[index])
                if error_ is not None:
                    result.error.CopyFrom(error_.to_status())
        yield response


def _entry(item: decision_log_service_pb2.AppendItem) -> Entry:
    return Entry(
        tenant=item.context.tenant,
        environment=item.context.environment,
        request_id=item.context.request_id,
        decision_id=item.context.decision_id,
        digest=item.content_digest,
        record=item.record,
        intent=item.intent,
        spooled=item.spooled,
    )


def _error(appended: Appended, item: decision_log_service_pb2.AppendItem) -> MoatError | None:
    if appended.fate is Fate.REUSED:
        return AlreadyExists(
            "the request id has a decision on other content; use a new id",
            kind="request_id",
            name=item.context.request_id,
            reason="REQUEST_ID_REUSED",
        )
    if appended.fate is Fate.FULL:
        return OverQuota("the log's backlog is full; the drain is behind", reason="LOG_FULL", retry_after_seconds=1)
    return None


class AuditServicer(EvidenceServicer):
    """Reads the record as the caller's tenant, and its evidence."""

    def __init__(
        self, decisions: Decisions, unsealer: Unsealer, evidence: EvidenceParts, *, read_wait_seconds: float
    ) -> None:
        """`read_wait_seconds`: how long a decision may still be on its way to the record."""
        super().__init__(*evidence)
        self._decisions = decisions
        self._unsealer = unsealer
        self._read_wait_seconds = read_wait_seconds

    async def GetDecision(
        self, request: audit_service_pb2.GetDecisionRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> audit_service_pb2.GetDecisionResponse:
        """See the proto."""
        principal = current_principal()
        if request.include_content:
            principal.require(READ_CONTENT)
        record = await self._find(principal, request.decision_id)
        response = audit_service_pb2.GetDecisionResponse(decision=record)
        if request.include_content:
            await self._unseal(principal, record, response)
        return response

    async def ListDecisions(
        self, request: audit_service_pb2.ListDecisionsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> audit_service_pb2.ListDecisionsResponse:
        """See the proto."""
        principal = current_principal()
        page = await self._decisions.page(
            principal.tenant, principal.environment, request.filter, request.page_size, request.page_token
        )
        return audit_service_pb2.ListDecisionsResponse(decisions=page.records, next_page_token=page.next_token)

    async def _find(self, principal: Principal, decision_id: str) -> decision_record_pb2.DecisionRecord:
        """A decision may be asked for the moment it is answered, before the drain has written it."""
        loop = asyncio.get_running_loop()
        patience = loop.time() + self._read_wait_seconds
        while True:
            record = await self._decisions.get(principal.tenant, principal.environment, decision_id)
            if record is not None:
                return record
            if loop.time() >= patience:
                raise NotFound("no such decision in this tenant", kind="decision", name=decision_id)
            await asyncio.sleep(_POLL_SECONDS)

    async def _unseal(
        self,
        principal: Principal,
        record: decision_record_pb2.DecisionRecord,
        response: audit_service_pb2.GetDecisionResponse,
    ) -> None:
        """Adds what is there and whose key still exists."""
        if (key := await self._key(principal, record.sealed_content)) is not None:
            response.content.CopyFrom(self._unsealer.content(record, key))
        if (key := await self._key(principal, record.sealed_words)) is not None:
            response.words.extend(self._unsealer.words(record, key).words)

    async def _key(self, principal: Principal, sealed: decision_record_pb2.SealedContent) -> bytes | None:
        if not sealed.key_id:
            return None
        return await self._decisions.wrapped_key(principal.tenant, principal.environment, sealed.key_id)
