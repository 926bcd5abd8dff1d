"""One item on its way through the gateway, and the call it came with."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from moat.mesh.v1 import item_pb2

from gateway import trace_context
from gateway.parts import Part, parts_of
from services.runtime.ids import new_id

if TYPE_CHECKING:
    from moat.moderation.v1 import moderation_pb2

    from gateway.hops import AnyLeg
    from gateway.tenants import Tenant

DEFAULT_SURFACE = "chat"


@dataclass(frozen=True, slots=True)
class Arrival:
    """What the items of one request message have in common."""

    tenant: Tenant
    environment: str
    caller: str
    deadline: float
    """The call's own, on the monotonic clock; infinite for none."""
    traceparent: str = ""
    """The call's own."""
    edge_start_unix_nanos: int = 0
    """When the edge received the call; of a stream, whose start says nothing about its items, when the message was
    here. 0 if it did not come through the edge."""
    at: float = field(default_factory=time.monotonic)
    """When the gateway had the message, on the monotonic clock."""
    unix_nanos: int = field(default_factory=time.time_ns)
    """The same on the wall clock."""

    def again(self) -> Arrival:
        """The next message of the same stream, which has just come."""
        now = time.time_ns()
        edge_start = now if self.edge_start_unix_nanos else 0
        return replace(self, edge_start_unix_nanos=edge_start, at=time.monotonic(), unix_nanos=now)

    def wall_nanos(self, moment: float) -> int:
        """A moment of the monotonic clock in nanoseconds since the Unix epoch."""
        return self.unix_nanos + int((moment - self.at) * 1e9)


@dataclass(slots=True, eq=False)
class Item:
    """One thing somebody wants to show, from arrival to answer. Gets its decision's id when its turn comes."""

    message: moderation_pb2.ModerationItem
    arrival: Arrival
    deadline: float
    """On the monotonic clock."""
    bulk: bool
    started: float = 0.0
    """When its turn came."""
    decision_id: str = ""
    trace_id: str = ""
    parent_span_id: str = ""
    """The caller's span; empty for none."""
    span_id: str = ""
    """The gateway's own span of this decision."""
    context: item_pb2.ItemContext = field(default_factory=item_pb2.ItemContext)
    """What it carries through the mesh."""
    legs: list[AnyLeg] = field(default_factory=list)
    """Its visits to hops, in the order of the path."""
    parts: list[Part] = field(init=False)
    """What its content is made of."""

    def __post_init__(self) -> None:
        """Names the parts."""
        self.parts = parts_of(self.message.content)

    @property
    def key(self) -> tuple[str, str, str]:
        """Under which it is decided once."""
        return self.arrival.tenant.name, self.arrival.environment, self.message.request_id

    @property
    def surface(self) -> str:
        """Where it would be shown."""
        return self.message.surface or DEFAULT_SURFACE

    @property
    def in_parts(self) -> bool:
        """Whether its caller sent several things; verdict and answer then speak of each, even if it is only one."""
        return self.message.content.HasField("parts")

    def begin(self) -> None:
        """Its turn has come: gives it its ids."""
        self.started = time.monotonic()
        self.decision_id = new_id()
        caller = trace_context.parse(self.message.traceparent) or trace_context.parse(self.arrival.traceparent)
        if caller is None:
            # A UUIDv7 is as good a trace id as any: unique, and random where samplers look.
            self.trace_id = self.decision_id.replace("-", "")
        else:
            self.trace_id, self.parent_span_id = caller.trace_id, caller.span_id
        self.span_id = trace_context.new_span_id()
        self.context = item_pb2.ItemContext(
            tenant=self.arrival.tenant.name,
            environment=self.arrival.environment,
            request_id=self.message.request_id,
            decision_id=self.decision_id,
            traceparent=trace_context.traceparent(self.trace_id, self.span_id),
            priority=item_pb2.PRIORITY_BULK if self.bulk else item_pb2.PRIORITY_INTERACTIVE,
        )

    def context_until(self, moment: float | None) -> item_pb2.ItemContext:
        """Its context for a hop that has until `moment`, or any time. One object, changed: messages copy it."""
        self.context.deadline_unix_nanos = 0 if moment is None else self.arrival.wall_nanos(moment)
        return self.context
