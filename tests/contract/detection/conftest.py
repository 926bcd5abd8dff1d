"""A detector over a real connection, behind all of its guards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from services.detection.detectors.guarded import Guarded
from services.detection.detectors.live import LiveDetectors
from services.detection.detectors.port import Kind
from tests.support.detectors import read, write
from tools.launcher.certificates import ensure_authority, ensure_certificate

Opens = Callable[..., Awaitable[Guarded]]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, and a certificate for this machine."""
    folder = tmp_path_factory.mktemp("certificates")
    ensure_authority(folder)
    ensure_certificate(folder, "edge", "moat.local")
    return folder


@pytest.fixture
async def open_detector(tmp_path: Path) -> AsyncIterator[Opens]:
    """Writes a file for a detector and switches it on: `await open_detector("http_endpoint_answers", {...settings})`."""
    made: list[LiveDetectors] = []

    async def opens(uses: str, settings: dict[str, Any], **fields: Any) -> Guarded:  # noqa: ANN401 - whatever a file may say
        write(tmp_path, "theirs", uses=uses, settings=settings, **fields)
        made.append(LiveDetectors(read(tmp_path)))
        for kind in Kind:
            panel = made[-1].panel(kind, tenant="t", environment="production", surface="chat")
            if panel is not None:
                return panel.detectors[0]
        raise AssertionError("nobody is on")

    yield opens
    for one in made:
        await one.close()
