"""Makes a finished decision's spans, the hops' own included, from the times that were taken on its way.

They are written as OTLP messages at once: the SDK's span objects and their encoding cost six times as much (32 µs a
span against 5), and nothing else of the SDK is wanted when all times are known. No user's text, name or id is in them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from moat.moderation.v1 import moderation_pb2
from moat.routing.v1 import verdict_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from gateway import VERSION, trace_context

if TYPE_CHECKING:
    from moat.mesh.v1 import item_pb2

    from gateway.hops import AnyLeg
    from gateway.traces import Finished

_SERVICES = {
    "images": "detection",
    "sounds": "detection",
    "evidence": "audit",
    "restrictions": "enforcement",
    "effects": "enforcement",
}
"""Where a hop has another name than the service behind it."""
_VISIBLE_WAIT_SECONDS = 0.0002
_SERVER = trace_pb2.Span.SPAN_KIND_SERVER
_CLIENT = trace_pb2.Span.SPAN_KIND_CLIENT
_INTERNAL = trace_pb2.Span.SPAN_KIND_INTERNAL
Value = str | int | Sequence[str]


class Spans:
    """Gathers spans for one export, by the service they belong to."""

    def __init__(self) -> None:
        """Empty."""
        self.request = trace_service_pb2.ExportTraceServiceRequest()
        self._by_service: dict[str, trace_pb2.ScopeSpans] = {}

    def add(self, finished: Finished) -> None:
        """All spans of one decision."""
        trace = _Trace(self, finished)
        trace.write()

    def of(self, service: str) -> trace_pb2.ScopeSpans:
        """Where a service's spans go."""
        scope = self._by_service.get(service)
        if scope is None:
            resource = self.request.resource_spans.add()
            resource.resource.attributes.extend(_attributes({"service.name": service, "service.namespace": "moat"}))
            scope = self._by_service[service] = resource.scope_spans.add()
            scope.scope.name, scope.scope.version = "moat.gateway", VERSION
        return scope


class _Trace:
    """One decision's spans."""

    def __init__(self, spans: Spans, finished: Finished) -> None:
        self._spans = spans
        self._finished = finished
        self._item = finished.item
        self._trace_id = bytes.fromhex(finished.item.trace_id)

    def write(self) -> None:
        item, arrival = self._item, self._item.arrival
        received, answered = arrival.unix_nanos, self._nanos(self._finished.at)
        root = bytes.fromhex(item.span_id)
        call = trace_context.parse(arrival.traceparent)
        parent = bytes.fromhex(item.parent_span_id)
        apart = call is None or call.trace_id != item.trace_id
        if arrival.edge_start_unix_nanos and apart:
            # The edge's own span is in the call's trace, if anywhere; an item with a trace of its own gets this one.
            start = min(arrival.edge_start_unix_nanos, received)
            parent = self._span("edge", "edge", _SERVER, parent, start, answered)
        span = self._spans.of("gateway").spans.add(
            trace_id=self._trace_id,
            span_id=root,
            parent_span_id=parent,
            name="moderate",
            kind=_SERVER,
            start_time_unix_nano=received,
            end_time_unix_nano=answered,
            attributes=_attributes(self._facts()),
        )
        if call is not None and apart:
            span.links.add(trace_id=bytes.fromhex(call.trace_id), span_id=bytes.fromhex(call.span_id))
        if not isinstance(self._finished.outcome, moderation_pb2.Decision):
            span.status.code = trace_pb2.Status.STATUS_CODE_ERROR
            span.status.message = self._finished.outcome.reason
        if item.started - arrival.at > _VISIBLE_WAIT_SECONDS:
            self._span("gateway", "admission", _INTERNAL, root, received, self._nanos(item.started))
        for leg in item.legs:
            self._leg(leg, root)

    def _facts(self) -> Mapping[str, Value]:
        outcome = self._finished.outcome
        facts: dict[str, Value] = {
            "moat.decision_id": self._item.decision_id,
            "moat.tenant": self._item.arrival.tenant.name,
            "moat.environment": self._item.arrival.environment,
        }
        if not isinstance(outcome, moderation_pb2.Decision):
            return facts | {"moat.error": outcome.reason}
        facts["moat.decision_id"] = outcome.decision_id
        facts["moat.outcome"] = verdict_pb2.Outcome.Name(outcome.outcome).removeprefix("OUTCOME_")
        facts["moat.policy_hash"] = outcome.policy.content_hash
        if outcome.degraded:
            facts["moat.degraded"] = list(outcome.degraded)
        return facts

    def _leg(self, leg: AnyLeg, root: bytes) -> None:
        asked, answered = self._nanos(leg.asked), self._nanos(leg.answered or self._finished.at)
        service = _SERVICES.get(leg.hop, leg.hop)
        facts: dict[str, Value] = {"moat.hop": leg.hop}
        if leg.failure:
            facts["moat.failure"] = leg.failure
        span = self._span("gateway", leg.rpc, _CLIENT, root, asked, answered, facts, failed=bool(leg.failure))
        if leg.sent - leg.asked > _VISIBLE_WAIT_SECONDS:
            self._span("gateway", "queue", _INTERNAL, span, asked, self._nanos(leg.sent))
        if leg.timing is not None and leg.timing.received_unix_nanos:
            self._server(service, leg.rpc, leg.timing, span)

    def _server(self, service: str, rpc: str, timing: item_pb2.HopTiming, parent: bytes) -> None:
        received = timing.received_unix_nanos
        server = self._shared(
            service,
            rpc,
            _SERVER,
            parent,
            (received, timing.total_micros),
            timing.batch_size,
            (timing.batch_trace_id, timing.batch_span_id),
        )
        if timing.queue_micros:
            self._span(service, "queue", _INTERNAL, server, received, received + timing.queue_micros * 1000)
        for stage in timing.stages:
            self._shared(
                service,
                stage.name,
                _INTERNAL,
                server,
                (received + stage.offset_micros * 1000, stage.duration_micros),
                stage.batch_size,
                (stage.batch_trace_id, stage.batch_span_id),
            )

    def _shared(
        self,
        service: str,
        name: str,
        kind: trace_pb2.Span.SpanKind.ValueType,
        parent: bytes,
        took: tuple[int, int],
        batch_size: int,
        batch: tuple[bytes, bytes],
    ) -> bytes:
        """A span of work that a whole batch shared. If the batch's span is in this trace, it *is* this span, so that
        what hangs under it elsewhere (Triton's own spans) hangs here; if not, this one is linked to it."""
        start, micros = took
        batch_trace, batch_span = batch
        own = batch_span if batch_trace == self._trace_id else b""
        span = self._span(
            service, name, kind, parent, start, start + micros * 1000, {"moat.batch_size": batch_size}, span_id=own
        )
        if batch_span and not own:
            self._spans.of(service).spans[-1].links.add(trace_id=batch_trace, span_id=batch_span)
        return span

    def _span(
        self,
        service: str,
        name: str,
        kind: trace_pb2.Span.SpanKind.ValueType,
        parent: bytes,
        start: int,
        end: int,
        facts: Mapping[str, Value] | None = None,
        *,
        span_id: bytes = b"",
        failed: bool = False,
    ) -> bytes:
        span_id = span_id or bytes.fromhex(trace_context.new_span_id())
        span = self._spans.of(service).spans.add(
            trace_id=self._trace_id,
            span_id=span_id,
            parent_span_id=parent,
            name=name,
            kind=kind,
            start_time_unix_nano=start,
            end_time_unix_nano=max(start, end),
            attributes=_attributes(facts or {}),
        )
        if failed:
            span.status.code = trace_pb2.Status.STATUS_CODE_ERROR
        return span_id

    def _nanos(self, moment: float) -> int:
        return self._item.arrival.wall_nanos(moment)


def _attributes(facts: Mapping[str, Value]) -> list[common_pb2.KeyValue]:
    return [common_pb2.KeyValue(key=key, value=_value(value)) for key, value in facts.items()]


def _value(value: Value) -> common_pb2.AnyValue:
    if isinstance(value, str):
        return common_pb2.AnyValue(string_value=value)
    if isinstance(value, int):
        return common_pb2.AnyValue(int_value=value)
    return common_pb2.AnyValue(array_value=common_pb2.ArrayValue(values=[_value(one) for one in value]))
