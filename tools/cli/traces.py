"""Spans of commands, sent to the local mesh's receiver, so that a decision's waterfall begins where it was asked for."""

from __future__ import annotations

from collections.abc import Sequence

import grpc
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from services.runtime.topology import Topology

SERVICE = "client"
"""What the waterfall calls a command."""
_SECONDS = 1.0
_EVERY_MILLISECONDS = 500


def client_spans(topology: Topology) -> TracerProvider:
    """Shut it down at the end; it sends what is left, or gives it up after a second."""
    provider = TracerProvider(resource=Resource({"service.name": SERVICE, "service.namespace": "moat"}))
    exporter = _Exporter(f"{topology.collector.host}:{topology.collector.otlp_grpc}")
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=_EVERY_MILLISECONDS))
    return provider


class _Exporter(SpanExporter):
    """The packaged one tries again for a minute and says so on stderr; a command must end."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.insecure_channel(address)
        self._export = trace_service_pb2_grpc.TraceServiceStub(self._channel).Export  # type: ignore[no-untyped-call]

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            self._export(encode_spans(spans), timeout=_SECONDS)
        except grpc.RpcError:
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self._channel.close()
