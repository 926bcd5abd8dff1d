"""Recent spans in bounded memory, found by trace, by decision and by link."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

DECISION = "moat.decision_id"
GATEWAY = "gateway"
"""Its spans say of a decision what the list of decisions shows; a client's own name it too."""
_MOST_VALUE = 300


@dataclass(frozen=True, slots=True)
class Span:
    """What the page shows of a span."""

    trace_id: str
    span_id: str
    parent_id: str
    service: str
    name: str
    start: int
    """Nanoseconds since the epoch, as `end`."""
    end: int
    failed: bool
    attributes: dict[str, str]
    links: tuple[tuple[str, str], ...]
    """Trace and span ids."""


@dataclass(slots=True)
class Trace:
    """A trace's spans by id; a span that arrives twice is one."""

    spans: dict[str, Span] = field(default_factory=dict)
    decisions: set[str] = field(default_factory=set)
    """Those made in it: a caller may ask for several within one trace of his."""


class SpanStore:
    """The oldest trace goes first when there are too many spans."""

    def __init__(self, most_spans: int) -> None:
        """`most_spans` kept over all traces."""
        self._most = most_spans
        self._count = 0
        self._traces: OrderedDict[str, Trace] = OrderedDict()
        self._by_decision: dict[str, str] = {}
        self.dropped = 0

    def add(self, spans: Iterable[Span]) -> None:
        """In any order, any number of times."""
        for span in spans:
            trace = self._traces.get(span.trace_id)
            if trace is None:
                trace = self._traces[span.trace_id] = Trace()
            self._count += span.span_id not in trace.spans
            trace.spans[span.span_id] = span
            decision = span.attributes.get(DECISION, "")
            if decision:
                trace.decisions.add(decision)
                self._by_decision[decision] = span.trace_id
        while self._count > self._most and len(self._traces) > 1:
            _, oldest = self._traces.popitem(last=False)
            for decision in oldest.decisions:
                self._by_decision.pop(decision, None)
            self._count -= len(oldest.spans)
            self.dropped += len(oldest.spans)

    def of_trace(self, trace_id: str) -> list[Span]:
        """By start; empty when it is not (or no longer) here."""
        trace = self._traces.get(trace_id)
        return sorted(trace.spans.values(), key=lambda span: span.start) if trace else []

    def of_decision(self, decision_id: str) -> list[Span]:
        """The spans of the decision's trace, and of spans they link to, one step."""
        own = self.of_trace(self._by_decision.get(decision_id, ""))
        linked: list[Span] = []
        known = {span.span_id for span in own}
        for span in own:
            for trace_id, span_id in span.links:
                for other in self._family(trace_id, span_id):
                    if other.span_id not in known:
                        known.add(other.span_id)
                        # Shown under the span that links to it.
                        parent = span.span_id if span_id in (other.span_id, other.parent_id) else other.parent_id
                        linked.append(_under(other, parent))
        return sorted([*own, *linked], key=lambda span: span.start)

    def recent(self, count: int) -> list[Span]:
        """The gateway's span of each decision, newest trace first."""
        found: list[Span] = []
        for trace in reversed(self._traces.values()):
            found += [span for span in trace.spans.values() if DECISION in span.attributes and span.service == GATEWAY]
            if len(found) >= count:
                break
        return found[:count]

    def _family(self, trace_id: str, span_id: str) -> list[Span]:
        spans = self.of_trace(trace_id)
        family = {span_id}
        for span in spans:
            if span.parent_id in family:
                family.add(span.span_id)
        return [span for span in spans if span.span_id in family and span.service == "triton"] or [
            span for span in spans if span.span_id == span_id
        ]


def _under(span: Span, parent_id: str) -> Span:
    return Span(
        span.trace_id, span.span_id, parent_id, span.service, span.name, span.start, span.end, span.failed,
        span.attributes, span.links,
    )  # fmt: skip


def read_otlp(resources: Iterable[ResourceSpans]) -> list[Span]:
    """OTLP's spans as ours."""
    found: list[Span] = []
    for resource in resources:
        service = _attributes(resource.resource.attributes).get("service.name", "unknown")
        for scope in resource.scope_spans:
            for span in scope.spans:
                links = tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links)
                found.append(
                    Span(
                        span.trace_id.hex(),
                        span.span_id.hex(),
                        span.parent_span_id.hex(),
                        service,
                        span.name[:200],
                        span.start_time_unix_nano,
                        span.end_time_unix_nano,
                        span.status.code == span.status.STATUS_CODE_ERROR,
                        _attributes(span.attributes),
                        links,
                    )
                )
    return found


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, str]:
    return {pair.key: _text(pair.value)[:_MOST_VALUE] for pair in pairs}


def _text(value: AnyValue) -> str:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return ", ".join(_text(one) for one in value.array_value.values)
    return "" if kind is None else str(getattr(value, kind))
