"""Builds and runs a gRPC server the one way all services do: mTLS, guard, health, reflection, drain on SIGTERM."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from moat.options.v1 import permission_pb2

from services.runtime.clients import MAX_MESSAGE_BYTES
from services.runtime.guard import Guard
from services.runtime.identity import Identification
from services.runtime.logs import log

if TYPE_CHECKING:
    from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

Probe = Callable[[], Awaitable[bool]]
_PROBE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Served:
    """One gRPC service of a server."""

    descriptor: ServiceDescriptor
    register: Callable[[grpc.aio.Server], None]
    """Adds the servicer, for example `partial(add_XServicer_to_server, servicer)`."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where a server listens and whom it believes."""

    address: str
    ca_file: Path
    certificate_file: Path
    key_file: Path
    trust_domain: str
    callers: Mapping[str, frozenset[str]]
    roles: Mapping[str, frozenset[str]]
    drain_seconds: float = 10.0


def permissions_of(descriptors: Sequence[ServiceDescriptor]) -> dict[str, str]:
    """Permission by full method name, read from the protos; empty where an RPC names none."""
    option = permission_pb2.permission
    return {
        f"/{service.full_name}/{method.name}": str(method.GetOptions().Extensions[option])
        for service in descriptors
        for method in service.methods
    }


def _methods(
    descriptors: Sequence[ServiceDescriptor], wanted: Callable[[MethodDescriptor], bool]
) -> dict[str, MethodDescriptor]:
    return {
        f"/{service.full_name}/{method.name}": method
        for service in descriptors
        for method in service.methods
        if wanted(method)
    }


def _takes_a_list(method: MethodDescriptor) -> bool:
    return not {"items", "events"}.isdisjoint(method.input_type.fields_by_name)


def _is_stream_of_lists(method: MethodDescriptor) -> bool:
    return {"items", "list"} <= set(method.input_type.fields_by_name)


class Server:
    """A running server. `draining` is set when SIGTERM came: long streams must then finish and end."""

    def __init__(self, settings: ServerSettings, served: Sequence[Served], *, ready: Probe | None = None) -> None:
        """`ready` is a timed check of what the service cannot work without; health follows it."""
        self.draining = asyncio.Event()
        self._settings = settings
        self._ready = ready
        descriptors = [one.descriptor for one in served]
        guard = Guard(
            Identification(settings.trust_domain, settings.callers, settings.roles),
            permissions_of(descriptors),
            validated_in_servicer=frozenset(_methods(descriptors, _takes_a_list)),
            lists={
                name: GetMessageClass(method.output_type)
                for name, method in _methods(descriptors, _is_stream_of_lists).items()
            },
            draining=self.draining,
        )
        self._server = grpc.aio.server(
            interceptors=[guard],
            options=[
                ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
                ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
                ("grpc.so_reuseport", 0),
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
            ],
        )
        for one in served:
            one.register(self._server)
        self._health = health.aio.HealthServicer()  # type: ignore[attr-defined]  # untyped here
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._names = [descriptor.full_name for descriptor in descriptors]
        reflection.enable_server_reflection([*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME], self._server)

    async def run(self) -> None:
        """Serves until SIGTERM or SIGINT, then drains: new calls are refused, those in flight finish."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await self.start()
        watch = asyncio.create_task(self._watch_health())
        await stop.wait()
        watch.cancel()
        await self.stop()

    async def start(self) -> int:
        """Listens; returns the port."""
        settings = self._settings
        credentials = grpc.ssl_server_credentials(
            [(settings.key_file.read_bytes(), settings.certificate_file.read_bytes())],
            root_certificates=settings.ca_file.read_bytes(),
            require_client_auth=True,
        )
        port = self._server.add_secure_port(settings.address, credentials)
        await self._server.start()
        await self._set_health(serving=await self._probe())
        log.info("server_started", address=settings.address)
        return port

    async def stop(self) -> None:
        """Drains and ends."""
        self.draining.set()
        await self._set_health(serving=False)
        await self._server.stop(self._settings.drain_seconds)
        log.info("server_stopped")

    async def _watch_health(self) -> None:
        while True:
            await asyncio.sleep(_PROBE_SECONDS)
            await self._set_health(serving=await self._probe())

    async def _probe(self) -> bool:
        if self._ready is None:
            return True
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                return await self._ready()
        except Exception as error:  # noqa: BLE001 - a probe that fails in any way is a "no"
            log.warning("health_probe_failed", error=type(error).__name__)
            return False

    async def _set_health(self, *, serving: bool) -> None:
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in ("", *self._names):
            await self._health.set(name, status)
