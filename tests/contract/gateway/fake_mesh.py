"""A gateway among fake peers, and a client that speaks as the edge does."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from moat.mesh.v1 import content_pb2
from moat.moderation.v1 import moderation_pb2, moderation_service_pb2, moderation_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc

from gateway.settings import GatewaySettings
from gateway.wiring import Gateway
from services.runtime.clients import open_channel
from services.runtime.topology import Topology
from tests.contract.gateway.peers import Audit, Collector, ContextWindows, Detection, Enforcement, Peer, Routing
from tools.launcher.ports import Ports

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping, Sequence
    from pathlib import Path

ROLES = "game_server: [contents.moderate, events.ingest]\nauditor: [decisions.read]\n"
TENANTS = """
demo: {environments: [production], max_waiting: 64, when_undecidable: hold}
greedy: {environments: [production], max_waiting: 64, when_undecidable: block}
open: {environments: [production], when_undecidable: allow, when_unrecordable: answer}
"""
_FIRST_PORT = 20_000
"""Above what meshes of other tests prefer."""


@dataclass
class FakeMesh:
    """A gateway and all that it talks to. Use as `async with`."""

    folder: Path
    state: Path
    settings: dict[str, Any] = field(default_factory=dict)
    keep_share: float = 0.0
    detection: Detection = field(default_factory=Detection)
    context: ContextWindows = field(default_factory=ContextWindows)
    enforcement: Enforcement = field(default_factory=Enforcement)
    routing: Routing = field(default_factory=Routing)
    audit: Audit = field(default_factory=Audit)
    collector: Collector = field(default_factory=Collector)

    @property
    def peers(self) -> list[Peer]:
        return [self.detection, self.context, self.enforcement, self.routing, self.audit]

    async def __aenter__(self) -> Self:
        (self.state / "roles.yaml").write_text(ROLES)
        (self.state / "tenants.yaml").write_text(TENANTS)
        (self.state / "key").write_bytes(b"k" * 32)
        self.ports = Ports()
        self.addresses = {
            peer.name: await peer.start(self.folder, f"127.0.0.1:{self.free_port()}") for peer in self.peers
        }
        self._collector = grpc.aio.server()
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(self.collector, self._collector)  # type: ignore[no-untyped-call]
        self.collector_port = self._collector.add_insecure_port("127.0.0.1:0")
        await self._collector.start()
        await self.start_gateway()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop_gateway()
        for peer in self.peers:
            peer.gate.set()
            await peer.stop()
        await self._collector.stop(None)
        self.ports.close()

    def free_port(self) -> int:
        """This mesh's until it ends. What a server of ours comes back to must not be one that the kernel hands out."""
        return self.ports.pick(_FIRST_PORT)

    async def start_gateway(self) -> None:
        self.gateway = Gateway(self.topology(), GatewaySettings(**self.settings))
        self._works: list[asyncio.Task[None]] = await self.gateway.start()
        self._port = await self.gateway.server.start()
        self.channel = self.open_channel()
        self.stub = moderation_service_pb2_grpc.ModerationServiceStub(self.channel)

    async def stop_gateway(self) -> None:
        await self.channel.close(None)
        await self.gateway.server.stop()
        await self.gateway.stop(self._works)

    async def decide(self, asked: moderation_pb2.ModerationItem, tenant: str = "demo") -> moderation_pb2.Decision:
        """One item through Moderate. Raises grpc.aio.AioRpcError."""
        request = moderation_service_pb2.ModerateRequest(item=asked)
        return (await self.stub.Moderate(request, metadata=caller(tenant))).decision

    async def decide_all(
        self, asked: Sequence[moderation_pb2.ModerationItem], tenant: str = "demo"
    ) -> list[moderation_service_pb2.ModerationResult]:
        """A list through BatchModerate."""
        request = moderation_service_pb2.BatchModerateRequest(items=asked)
        return list((await self.stub.BatchModerate(request, metadata=caller(tenant))).results)

    def open_channel(self, me: str = "edge") -> grpc.aio.Channel:
        return open_channel(
            f"127.0.0.1:{self._port}",
            server_name="gateway.moat.local",
            ca_file=self.folder / "ca.pem",
            certificate_file=self.folder / f"{me}.pem",
            key_file=self.folder / f"{me}.key",
        )

    def topology(self, *, gateway_port: int = 0, settings: Mapping[str, object] | None = None) -> Topology:
        """What the gateway is started with."""

        def process(name: str, address: str = "127.0.0.1:0", **more: object) -> dict[str, object]:
            host, _, port = address.partition(":")
            return {
                "host": host,
                "port": int(port),
                "certificate_file": self.folder / f"{name}.pem",
                "key_file": self.folder / f"{name}.key",
                "state_dir": self.state / name,
                **more,
            }

        processes = {name: process(name, address) for name, address in self.addresses.items()}
        processes["gateway"] = process(
            "gateway", f"127.0.0.1:{gateway_port}", callers={"edge": []}, settings=dict(settings or {})
        )
        redis = {"port": 1, "password_file": self.state / "none"}
        return Topology.model_validate(
            {
                "trust_domain": "moat.local",
                "ca_file": self.folder / "ca.pem",
                "processes": processes,
                "redis_log": redis,
                "redis_state": redis,
                "postgres": {"port": 1, "database": "none", "password_files": {}},
                "triton": {"grpc": 1, "http": 1, "metrics": 1},
                "collector": {"otlp_grpc": self.collector_port, "otlp_http": 1, "page": 1},
                "edge": {"port": 1, "admin": 1, "ca_file": self.folder / "ca.pem"},
                "tokens": {"issuer": "test", "audience": "test", "jwks_file": self.state / "none"},
                "traces": {"keep_share": self.keep_share},
                "content_key_file": self.state / "key",
                "tenants_file": self.state / "tenants.yaml",
                "roles_file": self.state / "roles.yaml",
                "policies_dir": self.state,
            }
        )


def caller(
    tenant: str = "demo", environment: str = "production", *, roles: str = "game_server", expires_in: float = 3600
) -> tuple[tuple[str, str], ...]:
    """The headers that the edge makes of a token."""
    return (
        ("x-moat-subject", "server-1"),
        ("x-moat-tenant", tenant),
        ("x-moat-environment", environment),
        ("x-moat-roles", base64.urlsafe_b64encode(json.dumps([roles]).encode()).decode().rstrip("=")),
        ("x-moat-token-expiry", str(time.time() + expires_in)),
    )


def item(request_id: str, text: str = "hello there", **more: Any) -> moderation_pb2.ModerationItem:  # noqa: ANN401
    """Something somebody says."""
    fields = {"user_id": "u1", "channel_id": "c1", **more}
    content = content_pb2.Content(text=content_pb2.TextContent(text=text))
    return moderation_pb2.ModerationItem(request_id=request_id, content=content, **fields)


def reason(error: status_pb2.Status | grpc.aio.AioRpcError) -> str:
    """The stable reason of an error, of one item or of a whole call."""
    info = error_details_pb2.ErrorInfo()
    for detail in (error if isinstance(error, status_pb2.Status) else status_of(error)).details:
        if detail.Unpack(info):
            return str(info.reason)
    return ""


def status_of(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    """The whole error of a call."""
    return rpc_status.from_call(error) or status_pb2.Status()  # type: ignore[arg-type]
