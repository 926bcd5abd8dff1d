"""A mesh for tests: its own home, free ports, shared by all tests that ask for it, gone without a trace afterwards."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tools.launcher.control import Mesh
from tools.launcher.home import Home

SERVERS = ("postgres", "redis-log", "redis-state")
_START_SECONDS = 110.0


@contextmanager
def running_mesh(
    only: Sequence[str] = (), *, topology: Path | None = None, settings: dict[str, str] | None = None
) -> Iterator[Mesh]:
    """Starts a mesh, or `only` parts of it, in a home of its own. Nothing of it lives on, however the test ends."""
    folder = Path(tempfile.mkdtemp(prefix="moat-test-"))
    # Postgres, when we are root, runs as somebody else, who must get to his data.
    folder.chmod(0o711)
    mesh = Mesh(Home.under(folder))
    try:
        supervisor = mesh.start(topology=topology, only=only, settings=settings, outlive_us=False)
        mesh.wait_until_up(supervisor, seconds=_START_SECONDS)
        yield mesh
    finally:
        mesh.stop()
        left = mesh.processes()
        shutil.rmtree(folder, ignore_errors=True)
        assert not left, f"the mesh left processes behind: {left}"


@pytest.fixture(scope="session")
def mesh() -> Iterator[Mesh]:
    """The whole mesh. Tests that use it run one after the other in one worker; leave it well."""
    # What is due is looked for at once here: a test cannot wait for a minute.
    with running_mesh(settings={"AUDIT_EVIDENCE__SWEEP_SECONDS": "1"}) as running:
        yield running


@pytest.fixture(scope="session")
def servers() -> Iterator[Mesh]:
    """Postgres with every part's migrations, and both Valkeys; none of our processes."""
    with running_mesh(SERVERS) as running:
        yield running


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sends all tests of a shared mesh to the same worker."""
    for item in items:
        for fixture in ("mesh", "servers"):
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.xdist_group(fixture))
