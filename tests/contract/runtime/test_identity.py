"""A certificate says who somebody is: one of the mesh's own authority, but of the wrong service, opens no door."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from moat.moderation.v1 import moderation_service_pb2, moderation_service_pb2_grpc

from services.runtime.clients import open_channel
from services.runtime.server import Served, Server, ServerSettings
from tools.launcher.certificates import ensure_authority, ensure_certificate

DOMAIN = "moat.local"
StartServer = Callable[..., Awaitable[int]]


@pytest.fixture(scope="session")
def mesh_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificates(tmp_path_factory.mktemp("mesh"))


@pytest.fixture(scope="session")
def other_mesh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificates(tmp_path_factory.mktemp("other"))


def certificates(folder: Path) -> Path:
    ensure_authority(folder)
    for name in ("gateway", "routing", "audit"):
        ensure_certificate(folder, name, DOMAIN)
    return folder


class Answers(moderation_service_pb2_grpc.ModerationServiceServicer):
    """Any service will do: who may not call it does not reach it."""

    async def Moderate(self, request: object, context: object) -> moderation_service_pb2.ModerateResponse:  # noqa: N802
        return moderation_service_pb2.ModerateResponse()

    async def BatchModerate(self, request: object, context: object) -> moderation_service_pb2.BatchModerateResponse:  # noqa: N802
        raise NotImplementedError

    async def IngestEvents(self, request: object, context: object) -> moderation_service_pb2.IngestEventsResponse:  # noqa: N802
        raise NotImplementedError

    def StreamModerate(self, request_iterator: object, context: object) -> AsyncIterator[object]:  # type: ignore[override]  # noqa: N802
        raise NotImplementedError

    def ModerateVoice(self, request_iterator: object, context: object) -> AsyncIterator[object]:  # type: ignore[override]  # noqa: N802
        raise NotImplementedError


@pytest.fixture
async def start_audit(mesh_folder: Path) -> AsyncIterator[StartServer]:
    """A server in the place of audit, that only the gateway may call; `certificate` is whose it shows."""
    async with AsyncExitStack() as stack:

        async def start(certificate: str = "audit") -> int:
            settings = ServerSettings(
                address="127.0.0.1:0",
                ca_file=mesh_folder / "ca.pem",
                certificate_file=mesh_folder / f"{certificate}.pem",
                key_file=mesh_folder / f"{certificate}.key",
                trust_domain=DOMAIN,
                callers={"gateway": frozenset({"contents.moderate"})},
                roles={},
                drain_seconds=0,
            )
            descriptor = moderation_service_pb2.DESCRIPTOR.services_by_name["ModerationService"]
            register = partial(moderation_service_pb2_grpc.add_ModerationServiceServicer_to_server, Answers())
            server = Server(settings, [Served(descriptor, register)])
            port = await server.start()
            stack.push_async_callback(server.stop)
            return port

        yield start


async def ask(port: int, *, me: str, folder: Path, trust: Path | None = None) -> None:
    """As process `me` asks audit."""
    async with open_channel(
        f"127.0.0.1:{port}",
        server_name=f"audit.{DOMAIN}",
        ca_file=(trust or folder) / "ca.pem",
        certificate_file=folder / f"{me}.pem",
        key_file=folder / f"{me}.key",
    ) as channel:
        request = moderation_service_pb2.ModerateRequest()
        request.item.request_id, request.item.user_id, request.item.content.text.text = "r", "u", "hello"
        await moderation_service_pb2_grpc.ModerationServiceStub(channel).Moderate(request, timeout=5)


async def refusal(asking: Awaitable[None]) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await asking
    return caught.value


async def test_who_is_on_the_list_is_answered(start_audit: StartServer, mesh_folder: Path) -> None:
    await ask(await start_audit(), me="gateway", folder=mesh_folder)


async def test_a_server_refuses_the_valid_certificate_of_the_wrong_service(
    start_audit: StartServer, mesh_folder: Path
) -> None:
    error = await refusal(ask(await start_audit(), me="routing", folder=mesh_folder))
    assert error.code() is grpc.StatusCode.PERMISSION_DENIED
    assert "routing is not on this service's caller list" in (error.details() or "")


async def test_a_client_refuses_the_valid_certificate_of_the_wrong_service(
    start_audit: StartServer, mesh_folder: Path
) -> None:
    error = await refusal(ask(await start_audit("routing"), me="gateway", folder=mesh_folder))
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert "Hostname Verification Check failed" in (error.details() or "")


async def test_a_server_refuses_the_right_name_of_another_authority(
    start_audit: StartServer, mesh_folder: Path, other_mesh: Path
) -> None:
    error = await refusal(ask(await start_audit(), me="gateway", folder=other_mesh, trust=mesh_folder))
    assert error.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_client_refuses_the_right_name_of_another_authority(
    start_audit: StartServer, mesh_folder: Path, other_mesh: Path
) -> None:
    error = await refusal(ask(await start_audit(), me="gateway", folder=mesh_folder, trust=other_mesh))
    assert error.code() is grpc.StatusCode.UNAVAILABLE


async def test_not_even_health_is_told_to_who_shows_no_certificate(start_audit: StartServer, mesh_folder: Path) -> None:
    trust = grpc.ssl_channel_credentials((mesh_folder / "ca.pem").read_bytes())
    names = (("grpc.ssl_target_name_override", f"audit.{DOMAIN}"),)
    async with grpc.aio.secure_channel(f"127.0.0.1:{await start_audit()}", trust, names) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
