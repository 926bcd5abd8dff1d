"""A decision's trace begins in the program that asked for it, if that has a trace at all; and nothing of a user is in it."""

from __future__ import annotations

import subprocess
import sys

import grpc
import pytest
from moat_client import MoatError
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.runtime.errors import OverQuota
from tests.contract.sdk.conftest import OpenClient
from tests.contract.sdk.fake_edge import FakeEdge


@pytest.fixture
def exported() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(exported: InMemorySpanExporter) -> TracerProvider:
    made = TracerProvider()
    made.add_span_processor(SimpleSpanProcessor(exported))
    return made


def place(span: ReadableSpan) -> str:
    assert span.context is not None
    return f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-{int(span.context.trace_flags):02x}"


async def test_an_item_goes_on_in_the_trace_of_who_asks(
    edge: FakeEdge, open_client: OpenClient, exported: InMemorySpanExporter, provider: TracerProvider, transport: str
) -> None:
    moat = open_client(tracer_provider=provider, transport=transport)
    with provider.get_tracer("game").start_as_current_span("match") as asking:
        await moat.moderate("hello", user_id="ann", request_id="r1")
    span, _ = exported.get_finished_spans()
    assert (span.name, span.kind) == ("moat.moderate", trace.SpanKind.CLIENT)
    assert span.parent == asking.get_span_context()
    assert [item.traceparent for item in edge.items] == [place(span)]
    assert span.attributes == {
        "moat.request_id": "r1",
        "moat.outcome": "ALLOW",
        "moat.decision_id": "decision-of-r1",
    }


async def test_a_trace_begins_here_when_nothing_is_going_on(
    edge: FakeEdge, open_client: OpenClient, exported: InMemorySpanExporter, provider: TracerProvider
) -> None:
    await open_client(tracer_provider=provider).moderate("hello", user_id="ann")
    (span,) = exported.get_finished_spans()
    assert span.parent is None
    assert edge.items[0].traceparent == place(span)


async def test_asking_again_is_the_same_span(
    edge: FakeEdge, open_client: OpenClient, exported: InMemorySpanExporter, provider: TracerProvider
) -> None:
    edge.breaks.append(grpc.StatusCode.UNAVAILABLE)
    await open_client(tracer_provider=provider).moderate("hello", user_id="ann")
    (span,) = exported.get_finished_spans()
    assert [item.traceparent for item in edge.items] == [place(span)] * 2


async def test_what_failed_says_why_and_no_more(
    edge: FakeEdge, open_client: OpenClient, exported: InMemorySpanExporter, provider: TracerProvider
) -> None:
    edge.errors.append(OverQuota("the line is full", reason="QUEUE_FULL"))
    with pytest.raises(MoatError):
        await open_client(tracer_provider=provider).moderate("secret", user_id="secret-ann", channel_id="secret-lobby")
    (span,) = exported.get_finished_spans()
    assert (span.status.status_code, span.status.description) == (trace.StatusCode.ERROR, "QUEUE_FULL")
    assert "secret" not in span.to_json()


async def test_an_outage_is_seen_in_the_trace(
    edge: FakeEdge, open_client: OpenClient, exported: InMemorySpanExporter, provider: TracerProvider
) -> None:
    moat = open_client(port=1, on_outage="allow", tracer_provider=provider)
    await moat.moderate("hello", user_id="ann", request_id="r1", timeout=0.1)
    (span,) = exported.get_finished_spans()
    assert span.attributes == {"moat.request_id": "r1", "moat.outcome": "ALLOW", "moat.outage": True}


async def test_a_traceparent_of_the_callers_own_is_left_alone(
    edge: FakeEdge, open_client: OpenClient, exported: InMemorySpanExporter, provider: TracerProvider
) -> None:
    given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    await open_client(tracer_provider=provider).moderate("hello", user_id="ann", traceparent=given)
    assert edge.items[0].traceparent == given
    assert exported.get_finished_spans() == ()


async def test_a_trace_that_only_passes_through_is_passed_on(edge: FakeEdge, open_client: OpenClient) -> None:
    """A program without a provider of its own, that was asked by one that has."""
    above = trace.SpanContext(trace_id=5, span_id=7, is_remote=True, trace_flags=trace.TraceFlags(1))
    with trace.use_span(trace.NonRecordingSpan(above)):
        await open_client().moderate("hello", user_id="ann")
    assert edge.items[0].traceparent == f"00-{5:032x}-{7:016x}-01"


WITHOUT_API = """
import sys
sys.modules["opentelemetry"] = sys.modules["opentelemetry.trace"] = None
from moat.moderation.v1 import moderation_pb2
from moat_client.tracing import Tracing
for _ in range(2):
    item = moderation_pb2.ModerationItem()
    with Tracing().begin(item):
        print(item.traceparent)
"""


def test_without_opentelemetry_every_item_has_a_trace_of_its_own() -> None:
    ran = subprocess.run([sys.executable, "-c", WITHOUT_API], capture_output=True, text=True, check=True)
    first, second = ran.stdout.split()
    assert len(first) == len(second) == 55
    assert first[3:35] != second[3:35]
