"""A real Envoy with our configuration in front of a real server: who gets in, as whom, and who does not."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from moat.moderation.v1 import moderation_service_pb2, moderation_service_pb2_grpc

from services.runtime.principal import Principal, current_principal
from services.runtime.process import server_settings
from services.runtime.server import Served, Server
from services.runtime.topology import Topology
from tools.launcher.child import Child
from tools.launcher.edge import edge
from tools.launcher.home import Home
from tools.launcher.ports import Ports
from tools.launcher.resolve import read_source, resolve
from tools.launcher.tokens import mint

CLAIMS: Mapping[str, object] = {"tenant": "demo", "environment": "production", "roles": ["game_server"], "sub": "s1"}


class Recorder(moderation_service_pb2_grpc.ModerationServiceServicer):
    """Answers everything, and remembers who asked."""

    def __init__(self) -> None:
        self.principals: list[Principal] = []
        self.headers: list[dict[str, Any]] = []
        self.seconds_left: list[float | None] = []

    async def Moderate(  # noqa: N802 - gRPC's
        self, request: moderation_service_pb2.ModerateRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> moderation_service_pb2.ModerateResponse:
        self.principals.append(current_principal())
        self.headers.append(dict(context.invocation_metadata() or ()))
        self.seconds_left.append(context.time_remaining())
        return moderation_service_pb2.ModerateResponse()


@dataclass
class Edge:
    """A running edge and the gateway behind it."""

    topology: Topology
    gateway: Recorder = field(default_factory=Recorder)

    def token(self, **changes: object) -> str:
        """A token signed by the mesh's issuer, with claims changed; None leaves one out."""
        tokens = self.topology.tokens
        claims = {"iss": tokens.issuer, "aud": tokens.audience, "exp": int(time.time()) + 60, **CLAIMS, **changes}
        assert tokens.signing_key_file is not None
        kept = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(kept, tokens.signing_key_file.read_bytes(), algorithm="ES256", headers={"kid": "local-1"})

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[grpc.aio.Channel]:
        credentials = grpc.ssl_channel_credentials(self.topology.edge.ca_file.read_bytes())
        async with grpc.aio.secure_channel(f"localhost:{self.topology.edge.port}", credentials) as channel:
            yield channel

    async def moderate(self, token: str | None, *metadata: tuple[str, str], seconds: float = 5) -> None:
        request = moderation_service_pb2.ModerateRequest()
        request.item.request_id, request.item.user_id, request.item.content.text.text = "r", "u", "hello"
        request.item.channel_id = "c"
        bearer = [("authorization", f"Bearer {token}")] if token else []
        async with self.channel() as channel:
            stub = moderation_service_pb2_grpc.ModerationServiceStub(channel)
            await stub.Moderate(request, metadata=[*bearer, *metadata], timeout=seconds)

    async def call(self, method: str) -> bytes:
        """Any method, with a good token and an empty message."""
        async with self.channel() as channel:
            call = channel.unary_unary(method, request_serializer=bytes, response_deserializer=bytes)
            answer: bytes = await call(b"", metadata=(("authorization", f"Bearer {self.token()}"),), timeout=5)
            return answer

    async def http(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> tuple[bytes, bytes]:
        """Head and body of an HTTP/1.1 answer."""
        trust = ssl.create_default_context(cafile=str(self.topology.edge.ca_file))
        reader, writer = await asyncio.open_connection("localhost", self.topology.edge.port, ssl=trust)
        lines = [f"{method} {path} HTTP/1.1", "host: localhost", "connection: close", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        head, _, rest = answer.partition(b"\r\n\r\n")
        return head, rest


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Edge]:
    """Envoy, the gateway, and in the place of `enforcement` a server that has another one's certificate."""
    home = Home.under(tmp_path)
    # Claimed for as long as the servers run: another test's mesh looks for ports at the same time.
    with Ports() as ports:
        async with _serving(Edge(resolve(home, read_source(), ports)), home) as edge_:
            yield edge_


@asynccontextmanager
async def _serving(edge_: Edge, home: Home) -> AsyncIterator[Edge]:
    topology = edge_.topology
    descriptor = moderation_service_pb2.DESCRIPTOR.services_by_name["ModerationService"]
    register = partial(moderation_service_pb2_grpc.add_ModerationServiceServicer_to_server, edge_.gateway)
    gateway = Server(server_settings(topology, "gateway"), [Served(descriptor, register)])
    processes = topology.processes
    impostor = processes["audit"].model_copy(update={"port": processes["enforcement"].port})
    elsewhere = topology.model_copy(update={"processes": {**processes, "audit": impostor}})
    false_enforcement = Server(server_settings(elsewhere, "audit"), [])
    program = edge(topology, after=[])
    await program.prepare()
    await gateway.start()
    await false_enforcement.start()
    child = await Child.start(program, home.log("edge"), {})
    try:
        async with asyncio.timeout(20):
            while not await _ready(program.probe()):
                await asyncio.sleep(0.05)
        yield edge_
    finally:
        await child.stop()
        await gateway.stop()
        await false_enforcement.stop()


async def _ready(probe: Any) -> bool:  # noqa: ANN401
    try:
        return bool(await probe)
    except OSError:
        return False


async def code_of(call: Any) -> grpc.StatusCode:  # noqa: ANN401
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return refused.value.code()


async def test_a_token_says_who_asks_and_no_header_can_say_otherwise(running: Edge) -> None:
    claims = [("x-moat-tenant", "evil"), ("x-moat-roles", "WyJzcmUiXQ"), ("x-moat-subject", "root")]
    await running.moderate(running.token(), *claims)
    (principal,) = running.gateway.principals
    assert (principal.subject, principal.tenant, principal.environment) == ("s1", "demo", "production")
    assert principal.permissions >= {"contents.moderate"}
    assert "decisions.read" not in principal.permissions


async def test_what_a_token_leaves_out_cannot_be_filled_in_by_a_header(running: Edge) -> None:
    roles = ("x-moat-roles", "WyJnYW1lX3NlcnZlciJd")
    assert await code_of(running.moderate(running.token(roles=None), roles)) is grpc.StatusCode.PERMISSION_DENIED
    tenant = ("x-moat-tenant", "demo")
    assert await code_of(running.moderate(running.token(tenant=None), tenant)) is grpc.StatusCode.PERMISSION_DENIED
    environment = ("x-moat-environment", "production")
    incomplete = running.token(environment=None)
    assert await code_of(running.moderate(incomplete, environment)) is grpc.StatusCode.UNAUTHENTICATED
    assert running.gateway.principals == []


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"exp": 1_700_000_000}, grpc.StatusCode.UNAUTHENTICATED),
        ({"exp": None}, grpc.StatusCode.UNAUTHENTICATED),
        ({"iss": "somebody-else"}, grpc.StatusCode.UNAUTHENTICATED),
        ({"aud": "somebody-else"}, grpc.StatusCode.PERMISSION_DENIED),
        ({"aud": None}, grpc.StatusCode.PERMISSION_DENIED),
    ],
    ids=["expired", "without expiry", "of another issuer", "for another audience", "for no audience"],
)
async def test_a_token_that_is_not_for_us_is_refused(
    running: Edge, claims: dict[str, object], code: grpc.StatusCode
) -> None:
    assert await code_of(running.moderate(running.token(**claims))) is code
    assert running.gateway.principals == []


async def test_no_token_or_a_forged_one_is_refused(running: Edge) -> None:
    assert await code_of(running.moderate(None)) is grpc.StatusCode.UNAUTHENTICATED
    head, body, _ = running.token().split(".")
    assert await code_of(running.moderate(f"{head}.{body}.AAAA")) is grpc.StatusCode.UNAUTHENTICATED


async def test_the_local_issuers_tokens_are_accepted(running: Edge) -> None:
    await running.moderate(mint(running.topology.tokens, tenant="demo", subject="somebody"))
    (principal,) = running.gateway.principals
    assert principal.subject == "somebody"
    assert principal.expires_unix_seconds is not None
    assert principal.expires_unix_seconds > time.time()


async def test_health_needs_no_token_and_nothing_else_is_reachable(running: Edge) -> None:
    async with running.channel() as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    internal = running.call("/moat.detection.v1.DetectionService/ScoreContents")
    assert await code_of(internal) is grpc.StatusCode.UNIMPLEMENTED


async def test_a_server_with_the_certificate_of_another_is_not_believed(running: Edge) -> None:
    call = running.call("/moat.enforcement.v1.EnforcementService/CheckSubject")
    assert await code_of(call) is grpc.StatusCode.UNAVAILABLE


async def test_the_callers_deadline_arrives(running: Edge) -> None:
    await running.moderate(running.token(), seconds=7)
    (left,) = running.gateway.seconds_left
    assert left is not None
    assert 5 < left <= 7


async def test_the_gateway_learns_when_the_request_reached_the_edge(running: Edge) -> None:
    before = time.time()
    await running.moderate(running.token(), ("x-moat-edge-start", "1.0"))
    started = float(running.gateway.headers[0]["x-moat-edge-start"])
    assert before - 0.01 <= started <= time.time()


async def test_the_trace_goes_on_through_the_edge(running: Edge) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    await running.moderate(running.token(), ("traceparent", f"00-{trace}-b7ad6b7169203331-01"))
    assert running.gateway.headers[0]["traceparent"].split("-")[1] == trace


async def test_json_is_translated(running: Edge) -> None:
    item = {"request_id": "r", "user_id": "u", "channel_id": "c", "content": {"text": {"text": "hello"}}}
    head, body = await running.http(
        "POST",
        "/moat.moderation.v1.ModerationService/Moderate",
        {"content-type": "application/json", "authorization": f"Bearer {running.token()}"},
        json.dumps({"item": item}).encode(),
    )
    assert head.startswith(b"HTTP/1.1 200 "), (head, body)
    assert len(running.gateway.principals) == 1


async def test_the_largest_picture_fits_into_json(running: Edge) -> None:
    data = base64.b64encode(bytes(4 * 1024 * 1024)).decode()
    item = {"request_id": "r", "user_id": "u", "channel_id": "c", "content": {"image": {"data": data}}}
    head, body = await running.http(
        "POST",
        "/moat.moderation.v1.ModerationService/Moderate",
        {"content-type": "application/json", "authorization": f"Bearer {running.token()}"},
        json.dumps({"item": item}).encode(),
    )
    assert head.startswith(b"HTTP/1.1 200 "), (head, body)


async def test_grpc_web_is_translated_only_for_holders_of_a_token(running: Edge) -> None:
    message = moderation_service_pb2.ModerateRequest()
    message.item.request_id, message.item.user_id, message.item.content.text.text = "r", "u", "hello"
    message.item.channel_id = "c"
    data = message.SerializeToString()
    frame = b"\0" + len(data).to_bytes(4, "big") + data
    path = "/moat.moderation.v1.ModerationService/Moderate"
    web = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
    head, _ = await running.http("POST", path, web, frame)
    assert b"grpc-status: 16" in head.lower()
    head, body = await running.http("POST", path, web | {"authorization": f"Bearer {running.token()}"}, frame)
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"grpc-status:0" in body


async def test_no_web_page_may_call_unless_the_topology_names_it(running: Edge) -> None:
    preflight = {"origin": "https://elsewhere.example", "access-control-request-method": "POST"}
    head, _ = await running.http("OPTIONS", "/moat.moderation.v1.ModerationService/Moderate", preflight)
    assert b"access-control-allow-origin" not in head.lower()


async def test_older_tls_is_refused(running: Edge) -> None:
    trust = ssl.create_default_context(cafile=str(running.topology.edge.ca_file))
    trust.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        await asyncio.open_connection("localhost", running.topology.edge.port, ssl=trust)
