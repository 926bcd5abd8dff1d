"""The gateway's fixtures."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from tests.contract.gateway.certificates import write_certificates
from tests.contract.gateway.fake_mesh import FakeMesh

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

NAMES = ("edge", "gateway", "detection", "context", "enforcement", "routing", "audit")


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    write_certificates(folder, NAMES)
    return folder


@pytest.fixture
async def start_fake_mesh(certificates: Path, tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[FakeMesh]]]:
    """Starts a mesh with settings of its own: `await start_fake_mesh(in_flight_limit=4)`."""
    async with AsyncExitStack() as stack:

        async def start(*, keep_share: float = 0.0, **settings: object) -> FakeMesh:
            return await stack.enter_async_context(FakeMesh(certificates, tmp_path, settings, keep_share))

        yield start


@pytest.fixture
async def fake_mesh(start_fake_mesh: Callable[..., Awaitable[FakeMesh]]) -> FakeMesh:
    return await start_fake_mesh()
