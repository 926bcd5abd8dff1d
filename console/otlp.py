"""OTLP as it arrives: gRPC from Envoy and the gateway, HTTP from Triton (which sends JSON)."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import grpc
import orjson
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from starlette.requests import Request
from starlette.responses import Response

from console.spans import SpanStore, read_otlp

_MOST_BYTES = 8 * 1024 * 1024
_IDS = ("traceId", "spanId", "parentSpanId")


class Receiver(TraceServiceServicer):  # type: ignore[misc] - generated without types
    """Takes spans in."""

    def __init__(self, store: SpanStore) -> None:
        """Where they go."""
        self._store = store

    async def Export(  # noqa: N802 - OTLP's name
        self,
        request: ExportTraceServiceRequest,
        context: grpc.aio.ServicerContext[Any, Any],  # noqa: ARG002
    ) -> ExportTraceServiceResponse:
        """OTLP/gRPC."""
        self._store.add(read_otlp(request.resource_spans))
        return ExportTraceServiceResponse()

    async def export_http(self, request: Request) -> Response:
        """OTLP/HTTP: protobuf, or JSON with ids in hex."""
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MOST_BYTES:
                return Response("the request is over 8 MiB; send fewer spans at once", status_code=413)
        try:
            message = _json(body) if "json" in request.headers.get("content-type", "") else _binary(body)
        except (DecodeError, ParseError, ValueError, TypeError, KeyError, AttributeError):
            return Response("not an ExportTraceServiceRequest", status_code=400)
        self._store.add(read_otlp(message.resource_spans))
        return Response("{}", media_type="application/json")


def open_receiver(receiver: Receiver, address: str) -> grpc.aio.Server:
    """A plain gRPC server on loopback."""
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", _MOST_BYTES), ("grpc.so_reuseport", 0)])
    add_TraceServiceServicer_to_server(receiver, server)
    server.add_insecure_port(address)
    return server


def _binary(body: bytes) -> ExportTraceServiceRequest:
    return ExportTraceServiceRequest.FromString(body)


def _json(body: bytes) -> ExportTraceServiceRequest:
    """OTLP's JSON writes ids in hex, where protobuf's own mapping wants base64."""
    document = orjson.loads(body)
    _ids_to_base64(document)
    return ParseDict(document, ExportTraceServiceRequest(), ignore_unknown_fields=True)


def _ids_to_base64(value: Any) -> None:  # noqa: ANN401 - any JSON
    if isinstance(value, list):
        for one in value:
            _ids_to_base64(one)
    elif isinstance(value, dict):
        for key, one in value.items():
            if key in _IDS and isinstance(one, str):
                try:
                    value[key] = base64.b64encode(binascii.unhexlify(one)).decode()
                except binascii.Error as error:
                    raise ValueError(key) from error
            else:
                _ids_to_base64(one)
