"""The commit point as the gateway sees it: the log, else the spool, else what the tenant chose. Only then an answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from google.rpc import code_pb2
from moat.audit.v1 import decision_log_service_pb2, decision_record_pb2

from gateway.hops import Leg, reason_of
from gateway.metrics import DEGRADATIONS, RECORDS_TOO_LARGE
from gateway.spool import SpoolUnavailable
from gateway.tenants import WhenUnrecordable
from services.runtime.errors import AlreadyExists, DependencyDown, InvalidRequest, MoatError, OutOfTime, code_of
from services.runtime.logs import log

if TYPE_CHECKING:
    from moat.enforcement.v1 import effect_service_pb2

    from gateway.hops import AnyLeg, Hop
    from gateway.items import Item
    from gateway.spool import Spool

    AppendHop = Hop[decision_log_service_pb2.AppendItem, decision_log_service_pb2.AppendResult]

SPOOLED = "audit:spooled"
UNRECORDED = "audit:unrecorded"
_MOST_BYTES = 262_144
"""Of a record, as the log takes it. What detection finds is bounded below it (`known`); this is for what nobody thought of."""


class Committed(NamedTuple):
    """The decision that counts for a request."""

    record: decision_record_pb2.DecisionRecord
    replayed: bool
    """It had been made before, for an earlier sending of the same request."""


class Recorder:
    """Commits decisions.

    While the log is down nobody waits for it: decisions go straight to the spool, and the spool's replay finds out when
    the log is back (`log_is_back`).
    """

    def __init__(self, log_hop: AppendHop, spool: Spool) -> None:
        """`log_hop` appends to the decision log."""
        self._log = log_hop
        self._spool = spool
        self._log_is_down = False

    async def earlier(self, item: Item, content_digest: bytes) -> Committed | None:
        """The decision of a request that is still in this gateway's spool, where the log cannot know of it. Raises
        AlreadyExists when the id was used for other content."""
        remembered = self._spool.find(item.key)
        if remembered is None:
            return None
        if remembered.content_digest != content_digest:
            raise reused(item)
        record = await self._spool.record(remembered.decision_id)
        return None if record is None else Committed(record, replayed=True)

    async def commit(
        self,
        item: Item,
        record: decision_record_pb2.DecisionRecord,
        intent: effect_service_pb2.EffectIntent | None,
    ) -> Committed:
        """Durable when it returns. Raises ALREADY_EXISTS for a reused id, OutOfTime, or DependencyDown when the
        decision can be kept nowhere and the tenant would rather have no answer."""
        if not (self._log_is_down and len(self._spool)):
            try:
                return await self._append(item, record, intent)
            except MoatError as error:
                if code_of(error) == code_pb2.ALREADY_EXISTS:
                    raise
                self._mind(item.legs[-1], error)
        if time.monotonic() >= item.deadline:
            # Nobody waits any more. If the append got through after all, a retry is answered with it.
            message = "the decision could not be recorded before the deadline"
            raise OutOfTime(message)
        return await self._keep(item, record, intent)

    def log_is_back(self) -> None:
        """The replay has reached the log again."""
        self._log_is_down = False

    async def _append(
        self,
        item: Item,
        record: decision_record_pb2.DecisionRecord,
        intent: effect_service_pb2.EffectIntent | None,
    ) -> Committed:
        until = self._log.until(item)
        leg = self._log.ask(_append_item(item, until, record, intent), until=until, bulk=item.bulk)
        item.legs.append(leg)
        result = await leg.result()
        if result.existing:
            return Committed(decision_record_pb2.DecisionRecord.FromString(result.existing), replayed=True)
        return Committed(record, replayed=False)

    def _mind(self, leg: AnyLeg, error: MoatError) -> None:
        """Whether an append failed or was only too slow for a hurried item cannot be told: in doubt the decision is
        spooled, and appending it again by its id changes nothing."""
        reason = reason_of(error)
        hurried = reason == "out_of_time" and not self._log.is_full_wait(leg)
        if not hurried and not self._log_is_down:
            self._log_is_down = True
            log.warning("log_down", reason=reason, code=code_pb2.Code.Name(code_of(error)))
        DEGRADATIONS.labels("audit", reason).inc()

    async def _keep(
        self,
        item: Item,
        record: decision_record_pb2.DecisionRecord,
        intent: effect_service_pb2.EffectIntent | None,
    ) -> Committed:
        record.spooled = True
        record.degraded.append(SPOOLED)
        # Without a deadline: it must reach the log however late.
        entry = _append_item(item, None, record, intent)
        leg: AnyLeg = Leg("spool", "Spool/Add", entry, item.deadline, time.monotonic())
        item.legs.append(leg)
        try:
            await self._spool.add(entry)
            leg.sent, leg.answered = leg.asked, time.monotonic()
        except SpoolUnavailable as error:
            leg.failure = "unrecordable"
            DEGRADATIONS.labels("audit", "unrecordable").inc()
            if item.arrival.tenant.when_unrecordable is WhenUnrecordable.REFUSE:
                message = "the decision can be recorded nowhere"
                raise DependencyDown(message, reason="UNRECORDABLE") from error
            log.error("decision_unrecorded", tenant=item.arrival.tenant.name, decision_id=item.decision_id)
            record.spooled = False
            record.degraded[-1] = UNRECORDED
        return Committed(record, replayed=False)


def reused(item: Item) -> AlreadyExists:
    """The id of a decided request came again with other content."""
    return AlreadyExists(
        "the request id has been used for other content",
        kind="request_id",
        name=item.message.request_id,
        reason="REQUEST_ID_REUSED",
    )


def _serialised(record: decision_record_pb2.DecisionRecord) -> bytes:
    """Raises InvalidRequest for what the log would refuse for good: a spool would answer, and then keep it for ever."""
    written = record.SerializeToString()
    if len(written) > _MOST_BYTES:
        RECORDS_TOO_LARGE.inc()
        what = f"what is to be recorded of it has {len(written)} bytes; at most {_MOST_BYTES}: send less at a time"
        raise InvalidRequest.field("content", what, reason="RECORD_TOO_LARGE")
    return written


def _append_item(
    item: Item,
    until: float | None,
    record: decision_record_pb2.DecisionRecord,
    intent: effect_service_pb2.EffectIntent | None,
) -> decision_log_service_pb2.AppendItem:
    return decision_log_service_pb2.AppendItem(
        context=item.context_until(until),
        content_digest=record.content_digest,
        record=_serialised(record),
        intent=b"" if intent is None else intent.SerializeToString(),
        spooled=record.spooled,
    )
