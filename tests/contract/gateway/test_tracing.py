"""Spans made after the fact: the whole path of a decision in one trace, and nothing of what was said in it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from moat.mesh.v1 import item_pb2
from moat.moderation.v1 import moderation_service_pb2 as api

from tests.contract.gateway.fake_mesh import caller, item
from tests.contract.gateway.waiting import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from opentelemetry.proto.trace.v1 import trace_pb2

    from tests.contract.gateway.fake_mesh import FakeMesh

    StartFakeMesh = Callable[..., Awaitable[FakeMesh]]

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


async def spans_of(fake_mesh: FakeMesh, trace_id: str) -> dict[tuple[str, str], trace_pb2.Span]:
    """By service and name, once the root is there."""

    def found() -> dict[tuple[str, str], trace_pb2.Span]:
        of_trace = [(service, span) for service, span in fake_mesh.collector.spans if span.trace_id.hex() == trace_id]
        return {(service, span.name): span for service, span in of_trace}

    await until(lambda: ("gateway", "moderate") in found())
    return found()


async def test_a_decisions_spans_are_one_tree(start_fake_mesh: StartFakeMesh) -> None:
    fake_mesh = await start_fake_mesh(keep_share=1.0)
    decision = await fake_mesh.decide(item("r1", "a threat"))
    spans = await spans_of(fake_mesh, decision.trace_id)
    root = spans["gateway", "moderate"]
    for service, rpc in [
        ("detection", "ScoreContents"),
        ("context", "ReadContexts"),
        ("enforcement", "CheckSubjects"),
        ("routing", "DecideVerdicts"),
    ]:
        client, server = spans["gateway", rpc], spans[service, rpc]
        assert client.parent_span_id == root.span_id
        assert server.parent_span_id == client.span_id
    assert spans["gateway", "AppendDecisions"].parent_span_id == root.span_id
    assert spans["gateway", "ApplyEffects"].parent_span_id == root.span_id
    for span in spans.values():
        assert root.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
    assert abs(root.start_time_unix_nano - time.time_ns()) < 60e9


async def test_the_callers_span_is_the_parent(start_fake_mesh: StartFakeMesh) -> None:
    fake_mesh = await start_fake_mesh(keep_share=1.0)
    decision = await fake_mesh.decide(item("r1", traceparent=f"00-{TRACE}-{SPAN}-01"))
    assert decision.trace_id == TRACE
    spans = await spans_of(fake_mesh, TRACE)
    assert spans["gateway", "moderate"].parent_span_id.hex() == SPAN


async def test_an_item_with_its_own_trace_shows_the_edge_and_links_to_the_call(start_fake_mesh: StartFakeMesh) -> None:
    fake_mesh = await start_fake_mesh(keep_share=1.0)
    call_trace, call_span = "a" * 32, "b" * 16
    start = time.time() - 0.05
    headers = (*caller(), ("traceparent", f"00-{call_trace}-{call_span}-01"), ("x-moat-edge-start", f"{start:.6f}"))
    request = api.ModerateRequest(item=item("r1", traceparent=f"00-{TRACE}-{SPAN}-01"))
    await fake_mesh.stub.Moderate(request, metadata=headers)
    spans = await spans_of(fake_mesh, TRACE)
    edge, root = spans["edge", "edge"], spans["gateway", "moderate"]
    assert edge.parent_span_id.hex() == SPAN
    assert root.parent_span_id == edge.span_id
    assert edge.start_time_unix_nano < root.start_time_unix_nano
    (link,) = root.links
    assert (link.trace_id.hex(), link.span_id.hex()) == (call_trace, call_span)


async def test_an_item_of_a_stream_shows_the_edge_too_and_links_to_the_stream(start_fake_mesh: StartFakeMesh) -> None:
    fake_mesh = await start_fake_mesh(keep_share=1.0)
    opened = ("x-moat-edge-start", f"{time.time() - 3600:.6f}")
    headers = (*caller(), ("traceparent", f"00-{'a' * 32}-{'b' * 16}-01"), opened)
    call = fake_mesh.stub.StreamModerate(None, metadata=headers)
    await call.write(api.StreamModerateRequest(items=[item("r1", traceparent=f"00-{TRACE}-{SPAN}-01")]))
    await call.read()
    call.cancel()
    spans = await spans_of(fake_mesh, TRACE)
    edge, root = spans["edge", "edge"], spans["gateway", "moderate"]
    assert edge.start_time_unix_nano == root.start_time_unix_nano
    assert [link.trace_id.hex() for link in root.links] == ["a" * 32]


async def test_an_item_in_the_calls_trace_hangs_under_the_edges_own_span(start_fake_mesh: StartFakeMesh) -> None:
    fake_mesh = await start_fake_mesh(keep_share=1.0)
    headers = (*caller(), ("traceparent", f"00-{TRACE}-{SPAN}-01"), ("x-moat-edge-start", f"{time.time():.6f}"))
    await fake_mesh.stub.Moderate(api.ModerateRequest(item=item("r1")), metadata=headers)
    spans = await spans_of(fake_mesh, TRACE)
    assert ("edge", "edge") not in spans
    assert spans["gateway", "moderate"].parent_span_id.hex() == SPAN


async def test_a_shared_calls_span_is_adopted_by_its_own_trace_and_linked_by_others(
    start_fake_mesh: StartFakeMesh,
) -> None:
    """So that Triton's spans, made under the batch's span, hang in the trace of the decision it was called for."""
    fake_mesh = await start_fake_mesh(keep_share=1.0)
    stage = item_pb2.HopTiming.Stage(
        name="triton", duration_micros=5, batch_trace_id=bytes.fromhex(TRACE), batch_span_id=bytes.fromhex(SPAN)
    )
    fake_mesh.detection.stages = [stage]
    own = await fake_mesh.decide(item("r1", traceparent=f"00-{TRACE}-{'c' * 16}-01"))
    other = await fake_mesh.decide(item("r2"))
    adopted = (await spans_of(fake_mesh, own.trace_id))["detection", "triton"]
    assert adopted.span_id.hex() == SPAN
    assert not adopted.links
    linked = (await spans_of(fake_mesh, other.trace_id))["detection", "triton"]
    assert linked.span_id.hex() != SPAN
    assert [(link.trace_id.hex(), link.span_id.hex()) for link in linked.links] == [(TRACE, SPAN)]


async def test_a_hop_that_failed_says_so(start_fake_mesh: StartFakeMesh) -> None:
    fake_mesh = await start_fake_mesh(keep_share=1.0)
    await fake_mesh.routing.stop()
    decision = await fake_mesh.decide(item("r1"))
    spans = await spans_of(fake_mesh, decision.trace_id)
    failed = spans["gateway", "DecideVerdicts"]
    facts = {fact.key: fact.value.string_value for fact in failed.attributes}
    assert failed.status.code == failed.status.STATUS_CODE_ERROR
    assert facts["moat.failure"] == "unavailable"
    assert ("routing", "DecideVerdicts") not in spans


async def test_only_what_is_notable_is_kept_of_a_share_of_nothing(fake_mesh: FakeMesh) -> None:
    plain = await fake_mesh.decide(item("r1", "hello"))
    masked = await fake_mesh.decide(item("r2", "so rude"))
    await spans_of(fake_mesh, masked.trace_id)
    await asyncio.sleep(0.3)
    assert plain.trace_id not in {span.trace_id.hex() for _, span in fake_mesh.collector.spans}


async def test_a_failed_item_is_kept_with_its_reason(fake_mesh: FakeMesh) -> None:
    await fake_mesh.decide(item("r1", "hello"))
    (result,) = await fake_mesh.decide_all([item("r1", "other", traceparent=f"00-{TRACE}-{SPAN}-01")])
    assert result.error.code
    root = (await spans_of(fake_mesh, TRACE))["gateway", "moderate"]
    assert root.status.message == "REQUEST_ID_REUSED"


async def test_nothing_of_a_user_is_in_a_span(start_fake_mesh: StartFakeMesh) -> None:
    fake_mesh = await start_fake_mesh(keep_share=1.0)
    asked = item("secret-id", "secret rude words", user_id="secret-user", target_user_ids=["secret-target"])
    decision = await fake_mesh.decide(asked)
    await spans_of(fake_mesh, decision.trace_id)
    assert not any(b"secret" in span.SerializeToString() for _, span in fake_mesh.collector.spans)
