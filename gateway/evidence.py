"""Keeps the files that a rule wants kept, after the verdict and before the record that names them."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from moat.audit.v1 import decision_record_pb2, evidence_store_service_pb2

from gateway.hops import EVIDENCE, Hop, reason_of
from gateway.metrics import DEGRADATIONS
from gateway.parts import FILES
from gateway.sealing import Subject
from services.runtime.errors import MoatError

if TYPE_CHECKING:
    from moat.routing.v1 import verdict_pb2

    from gateway.file_room import FileRoom
    from gateway.items import Item
    from gateway.parts import Part
    from gateway.sealing import Sealer

    EvidenceHop = Hop[evidence_store_service_pb2.KeepItem, evidence_store_service_pb2.KeepResult]

MISSING = "evidence:missing"
"""The degradation of a decision that should have kept a file and could not."""
_SECONDS_A_DAY = 86_400


@dataclass(frozen=True, slots=True)
class KeptFiles:
    """What a record says of its files."""

    files: tuple[decision_record_pb2.EvidenceFile, ...] = ()
    missing: bool = False
    """Whether one that was wanted is not kept."""


NONE = KeptFiles()


class Evidence:
    """A file too few degrades a decision; it never fails it."""

    def __init__(self, hop: EvidenceHop, sealer: Sealer, room: FileRoom) -> None:
        """`hop` is the evidence store; `room` bounds the bytes that are sealed and on their way to it."""
        self._hop = hop
        self._sealer = sealer
        self._room = room

    async def keep(self, item: Item, verdict: verdict_pb2.Verdict) -> KeptFiles:
        """Durable, each file that it names, when it returns. Of a content that shall be kept nowhere nothing is kept, whatever
        a rule wants."""
        if not verdict.evidence_parts or item.message.do_not_store:
            return NONE
        wanted = [part for part in item.parts if part.kind in FILES and part.position in verdict.evidence_parts]
        kept = await asyncio.gather(*(self._keep(item, part) for part in wanted))
        return KeptFiles(tuple(file for file in kept if file is not None), missing=None in kept)

    async def _keep(self, item: Item, part: Part) -> decision_record_pb2.EvidenceFile | None:
        tenant, size = item.arrival.tenant.name, len(part.file)
        refusal = self._room.take(tenant, size)
        if refusal is not None:
            _count_missing(refusal)
            return None
        try:
            return await self._sent(item, part)
        except MoatError as error:
            _count_missing(error)
            return None
        finally:
            self._room.free(tenant, size)

    async def _sent(self, item: Item, part: Part) -> decision_record_pb2.EvidenceFile | None:
        """None when the request has a decision already: then that one is the answer, with its own files."""
        until = self._hop.until(item)
        file = _file_of(item, part)
        message = evidence_store_service_pb2.KeepItem(
            context=item.context_until(until), user_id=item.message.user_id, file=file
        )
        await asyncio.to_thread(self._seal, message, part.file)
        leg = self._hop.ask(message, until=until, bulk=item.bulk)
        item.legs.append(leg)
        try:
            result = await leg.result()
        finally:
            # The leg lives on in the trace; the bytes need not.
            message.ClearField("sealed")
        return None if result.decided else message.file

    def _seal(self, message: evidence_store_service_pb2.KeepItem, data: bytes) -> None:
        """Of megabytes, so beside the event loop."""
        owner = message.context
        subject = Subject(owner.tenant, owner.environment, message.user_id, owner.decision_id)
        purpose = f"evidence\0{message.file.evidence_id}"
        message.sealed.CopyFrom(self._sealer.seal_bytes(data, subject, purpose))
        message.file.key_id = message.sealed.key_id


def evidence_id(decision_id: str, part: int) -> str:
    """The same for the same part of the same decision: a UUIDv7 of the decision's time, its random bits made from both."""
    decision = uuid.UUID(decision_id)
    made = bytearray(hashlib.sha256(decision.bytes + part.to_bytes(2)).digest()[:16])
    made[:6] = decision.bytes[:6]
    made[6] = 0x70 | made[6] & 0x0F
    made[8] = 0x80 | made[8] & 0x3F
    return str(uuid.UUID(bytes=bytes(made)))


def _file_of(item: Item, part: Part) -> decision_record_pb2.EvidenceFile:
    file = decision_record_pb2.EvidenceFile(
        evidence_id=evidence_id(item.decision_id, part.position),
        part=part.position,
        kind=part.kind,
        sha256=part.sha256,
        size=len(part.file),
    )
    days = item.arrival.tenant.evidence_days
    file.delete_time.FromSeconds(item.arrival.unix_nanos // 1_000_000_000 + int(days * _SECONDS_A_DAY))
    return file


def _count_missing(error: MoatError) -> None:
    DEGRADATIONS.labels(EVIDENCE, reason_of(error)).inc()
