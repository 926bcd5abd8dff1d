"""The short form of `make chaos`: every kind of process is killed once under load."""

from __future__ import annotations

import pytest

from tests.support.mesh import running_mesh
from tools.chaos.run import run


@pytest.mark.timeout(400)
@pytest.mark.xdist_group("chaos")
async def test_nothing_answered_is_lost_and_nothing_is_applied_twice() -> None:
    with running_mesh() as mesh:
        topology = mesh.wait_until_up(mesh.supervisor())
        verdict = await run(mesh, topology, kills=14, seed=7, tell=lambda _: None)
    assert verdict.answered > 50
    assert verdict.missing == []
    assert verdict.doubled == []
