"""Every RPC refuses whoever holds every permission but its own, and lets in whoever holds its own alone."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from services.runtime.clients import open_channel
from services.runtime.errors import NotSupported
from services.runtime.server import Served, Server, ServerSettings, permissions_of
from tests.completeness.test_permissions import methods
from tools.launcher.certificates import ensure_authority, ensure_certificate

DOMAIN = "moat.local"
METHODS = methods()
PERMISSIONS = permissions_of([method.containing_service for method in METHODS])
ALL = frozenset(PERMISSIONS.values())
HOLDERS = {f"holds-{one}": frozenset({one}) for one in ALL} | {f"lacks-{one}": ALL - {one} for one in ALL}
"""Callers by the name in their certificate."""
_RACES = 3
"""A stream that is refused while its first message is being written ends, once in a thousand times, with grpc.aio's INTERNAL."""
REACHED = {grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.OK}
"""The servicer's word, validation's, or of a stream of lists, whose lists fail by themselves."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("callers")
    ensure_authority(made)
    for name in ("server", *HOLDERS):
        ensure_certificate(made, name, DOMAIN)
    return made


def served(service: ServiceDescriptor) -> Served:
    """All of its RPCs, each of which only says that it was reached."""

    async def one(*_: object) -> None:
        raise NotSupported("reached")

    async def many(*_: object) -> AsyncIterator[None]:
        raise NotSupported("reached")
        yield

    module = importlib.import_module(service.file.name.removesuffix(".proto").replace("/", ".") + "_pb2_grpc")
    answers = {method.name: staticmethod(many if method.server_streaming else one) for method in service.methods}
    servicer = type("Reached", (), answers)()
    return Served(service, partial(getattr(module, f"add_{service.name}Servicer_to_server"), servicer))


def messages(method: MethodDescriptor) -> Iterator[bytes]:
    """One, and well-formed: that of a stream of lists has a number."""
    yield b"\x10\x01" if "list" in method.input_type.fields_by_name else b""


async def code_of(channel: grpc.aio.Channel, method: MethodDescriptor) -> grpc.StatusCode:
    name = f"/{method.containing_service.full_name}/{method.name}"
    call: Any
    if method.client_streaming:
        call = channel.stream_stream(name, None, None)(messages(method), timeout=5)
    elif method.server_streaming:
        call = channel.unary_stream(name, None, None)(next(messages(method)), timeout=5)
    else:
        call = channel.unary_unary(name, None, None)(next(messages(method)), timeout=5)
    if method.server_streaming:
        with contextlib.suppress(grpc.aio.AioRpcError):
            async for _ in call:
                pass
    return grpc.StatusCode(await call.code())


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.full_name)
async def test_an_rpc_asks_for_its_own_permission_and_no_other(folder: Path, method: MethodDescriptor) -> None:
    permission = PERMISSIONS[f"/{method.containing_service.full_name}/{method.name}"]
    settings = ServerSettings(
        address="127.0.0.1:0",
        ca_file=folder / "ca.pem",
        certificate_file=folder / "server.pem",
        key_file=folder / "server.key",
        trust_domain=DOMAIN,
        callers=HOLDERS,
        roles={},
        drain_seconds=0,
    )
    server = Server(settings, [served(method.containing_service)])
    port = await server.start()

    async def asked_as(name: str) -> grpc.StatusCode:
        async with open_channel(
            f"127.0.0.1:{port}",
            server_name=f"server.{DOMAIN}",
            ca_file=folder / "ca.pem",
            certificate_file=folder / f"{name}.pem",
            key_file=folder / f"{name}.key",
        ) as channel:
            for _ in range(_RACES):
                code = await code_of(channel, method)
                if code is not grpc.StatusCode.INTERNAL:
                    break
            return code

    lacks, holds = await asyncio.gather(asked_as(f"lacks-{permission}"), asked_as(f"holds-{permission}"))
    await server.stop()
    assert lacks is grpc.StatusCode.PERMISSION_DENIED
    assert holds in REACHED
