"""From a request message to answers to wait for. What is wrong or too much is refused before anything is made of it."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import grpc
from moat.mesh.v1 import item_pb2

from gateway.items import Arrival, Item
from gateway.metrics import ITEMS
from gateway.parts import file_bytes
from services.runtime import validation
from services.runtime.errors import InvalidRequest, MoatError, OutOfTime
from services.runtime.metrics import REFUSALS

if TYPE_CHECKING:
    from moat.mesh.v1 import content_pb2
    from moat.moderation.v1 import moderation_pb2, moderation_service_pb2

    from gateway.admission import Admission
    from gateway.desk import Answer, Desk
    from gateway.file_room import FileRoom
    from gateway.tenants import Tenants
    from services.runtime.principal import Principal

    ListRequest = moderation_service_pb2.BatchModerateRequest | moderation_service_pb2.StreamModerateRequest
    AnyContext = grpc.aio.ServicerContext[Any, Any]

_MIN_SECONDS_LEFT = 0.001
_MOST_CHARACTERS = 10_000
_MAX_ITEMS = 256
"""As in the protos; what is cut off for lack of room must not hide that there was too much."""


class Intake:
    """Knows who may ask, how long an item may take, and when to say no."""

    def __init__(
        self,
        tenants: Tenants,
        admission: Admission,
        file_room: FileRoom,
        desk: Desk,
        *,
        default_seconds: float,
        max_seconds: float,
    ) -> None:
        """`default_seconds` for items that do not say how long they can wait; none gets more than `max_seconds`."""
        self._tenants = tenants
        self._admission = admission
        self._file_room = file_room
        self._desk = desk
        self._default_seconds = default_seconds
        self._max_seconds = max_seconds

    def arrival(self, principal: Principal, context: AnyContext) -> Arrival:
        """A call's common part. Raises NotAllowed for an unknown tenant."""
        headers = dict(context.invocation_metadata() or ())
        left: float | None = context.time_remaining()
        return Arrival(
            tenant=self._tenants.of(principal),
            environment=principal.environment,
            caller=principal.subject,
            deadline=math.inf if left is None else time.monotonic() + left,
            traceparent=str(headers.get("traceparent", "")),
            edge_start_unix_nanos=_unix_nanos(str(headers.get("x-moat-edge-start", ""))),
        )

    def take_one(self, message: moderation_pb2.ModerationItem, arrival: Arrival) -> Answer | MoatError:
        """One item, validated already."""
        ITEMS.labels(arrival.tenant.name).inc()
        return self._take(message, arrival)

    def take(self, request: ListRequest, arrival: Arrival) -> list[tuple[str, Answer | MoatError]]:
        """Request id and answer, or at once an error, for each item of a list, in order. Raises InvalidRequest for the
        list itself.

        When a tenant's line is full, what does not fit is cut off unseen: refusing must cost next to nothing, or
        refusing becomes the load.
        """
        messages: Sequence[moderation_pb2.ModerationItem] = list(request.items)
        ITEMS.labels(arrival.tenant.name).inc(len(messages))
        room = self._admission.room(arrival.tenant)
        if room < len(messages) <= _MAX_ITEMS:
            del request.items[room:]
        wrong = validation.check_list(request, "items") if request.items or not messages else {}
        answers: list[tuple[str, Answer | MoatError]] = [
            (message.request_id, wrong.get(index) or self._take(message, arrival))
            for index, message in enumerate(request.items)
        ]
        left_out = messages[len(answers) :]
        if left_out:
            refusal = self._admission.over_quota(arrival.tenant)
            REFUSALS.labels("gateway", refusal.reason).inc(len(left_out))
            answers += [(message.request_id, refusal) for message in left_out]
        return answers

    def _take(self, message: moderation_pb2.ModerationItem, arrival: Arrival) -> Answer | MoatError:
        wrong = _nul(message) or _too_much_text(message.content)
        if wrong is not None:
            return wrong
        deadline = min(arrival.deadline, arrival.at + self._seconds(message))
        left = deadline - time.monotonic()
        bulk = message.priority == item_pb2.PRIORITY_BULK
        if left < _MIN_SECONDS_LEFT:
            refusal: MoatError | None = OutOfTime("the deadline passed before the work began", reason="DEADLINE_PASSED")
        else:
            refusal = self._admission.refusal(arrival.tenant, seconds_left=left, bulk=bulk)
        size = file_bytes(message.content)
        if refusal is None and size:
            refusal = self._file_room.take(arrival.tenant.name, size)
        if refusal is not None:
            REFUSALS.labels("gateway", refusal.reason).inc()
            return refusal
        answer = self._desk.take(Item(message, arrival, deadline, bulk))
        if size:
            answer.add_done_callback(lambda _: self._file_room.free(arrival.tenant.name, size))
        return answer

    def _seconds(self, message: moderation_pb2.ModerationItem) -> float:
        if not message.HasField("timeout"):
            return self._default_seconds
        return min(self._max_seconds, message.timeout.seconds + message.timeout.nanos / 1e9)


def _nul(message: moderation_pb2.ModerationItem) -> InvalidRequest | None:
    """The record's database has no place for it in a name, and would refuse the decision after it was answered."""
    for field in ("request_id", "user_id", "channel_id", "surface"):
        if "\0" in getattr(message, field):
            return InvalidRequest.field(field, "cannot have a NUL character")
    return None


def _too_much_text(content: content_pb2.Content) -> InvalidRequest | None:
    """Of several texts: of one the schema knows the limit, and a record has room for so much."""
    if not content.HasField("parts"):
        return None
    characters = sum(len(part.text.text) for part in content.parts.parts)
    if characters <= _MOST_CHARACTERS:
        return None
    problem = f"its texts have {characters} characters together; at most {_MOST_CHARACTERS}: send fewer, or as items of their own"
    return InvalidRequest.field("content.parts", problem, reason="TEXT_TOO_LONG")


def _unix_nanos(edge_start: str) -> int:
    """The edge writes `seconds.micros`."""
    seconds, _, micros = edge_start.partition(".")
    if not (seconds.isdecimal() and micros.isdecimal()):
        return 0
    return int(seconds) * 1_000_000_000 + int(micros.ljust(9, "0")[:9])
