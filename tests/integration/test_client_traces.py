"""A decision is one trace, from the program that asked for it to the model that scored it."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.error
import urllib.request
import uuid
from typing import Any

from moat_client import Moat
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.runtime.topology import Topology
from tools.launcher.control import Mesh


async def spans_of(topology: Topology, decision_id: str) -> dict[tuple[str, str], dict[str, Any]]:
    """By service and name, as the page has them, once the gateway's are there."""

    def read() -> list[dict[str, Any]]:
        page = f"http://{topology.collector.host}:{topology.collector.page}/api/decisions/{decision_id}"
        try:
            with urllib.request.urlopen(page, timeout=5) as answer:
                spans: list[dict[str, Any]] = json.load(answer)["spans"]
                return spans
        except urllib.error.HTTPError:
            return []

    deadline = time.monotonic() + 15
    while True:
        found = {(span["service"], span["name"]): span for span in await asyncio.to_thread(read)}
        if ("gateway", "moderate") in found:
            return found
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.1)


async def test_the_meshs_spans_hang_under_the_span_of_who_asked(mesh: Mesh) -> None:
    topology = Topology.load(mesh.home.topology)
    exported, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exported))
    async with Moat(
        f"localhost:{topology.edge.port}",
        token=mesh.token(),
        ca_file=topology.edge.ca_file,
        timeout=5,
        tracer_provider=provider,
    ) as moat:
        with provider.get_tracer("game").start_as_current_span("match"):
            decision = await moat.moderate("good evening", user_id=f"user-{uuid.uuid4()}")
    asked, match = exported.get_finished_spans()
    assert asked.context is not None
    assert match.context is not None
    trace_id = f"{match.context.trace_id:032x}"
    assert decision.trace_id == trace_id
    spans = await spans_of(topology, decision.decision_id)
    edge, root = spans["edge", "edge"], spans["gateway", "moderate"]
    assert edge["parent_id"] == f"{asked.context.span_id:016x}"
    assert root["parent_id"] == edge["span_id"]
    assert {edge["trace_id"], root["trace_id"]} == {trace_id}
    assert asked.start_time is not None
    assert asked.end_time is not None
    assert asked.start_time <= root["start"] <= root["end"] <= asked.end_time
