"""The SDK's fixtures: a fake edge, and clients of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from moat_client import Moat

from tests.contract.sdk.fake_edge import FakeEdge
from tools.launcher.certificates import ensure_authority, ensure_certificate

OpenClient = Callable[..., Moat]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("edge")
    ensure_authority(folder)
    ensure_certificate(folder, "edge", "moat.local")
    return folder


@pytest.fixture
async def edge(authority: Path) -> AsyncIterator[FakeEdge]:
    async with FakeEdge(authority) as running:
        yield running


@pytest.fixture
async def open_client(edge: FakeEdge) -> AsyncIterator[OpenClient]:
    """Opens a client that is closed when the test ends: `open_client(on_outage="allow")`."""
    async with AsyncExitStack() as stack:

        def open_(**options: Any) -> Moat:  # noqa: ANN401 - as Moat takes them
            arguments = {"token": "a token", "ca_file": edge.folder / "ca.pem", "streams": 1, **options}
            moat = Moat(f"localhost:{arguments.pop('port', edge.port)}", **arguments)
            stack.push_async_exit(moat)
            return moat

        yield open_


@pytest.fixture(params=["stream", "unary"])
def transport(request: pytest.FixtureRequest) -> str:
    """Both ways to ask."""
    return str(request.param)
