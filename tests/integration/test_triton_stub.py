"""What Triton does not survive by itself: the death of the process behind a model."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from inference.server import REPOSITORY
from tests.support.mesh import running_mesh
from tools.launcher.control import Mesh
from tools.launcher.status import ProgramStatus

_MODELS = len(list(REPOSITORY.glob("*/config.pbtxt")))

pytestmark = pytest.mark.xdist_group("triton")


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    with running_mesh(["triton"]) as running:
        yield running


def status_of(mesh: Mesh) -> ProgramStatus:
    status = mesh.status()
    assert status is not None
    return status.programs["triton"]


def until(condition: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def stubs(pid: int) -> list[psutil.Process]:
    try:
        return [one for one in psutil.Process(pid).children() if one.status() != psutil.STATUS_ZOMBIE]
    except psutil.NoSuchProcess:
        return []


def healthy(mesh: Mesh) -> bool:
    status = mesh.status()
    return status is not None and status.healthy


def test_a_model_whose_process_died_is_loaded_again_without_a_restart(mesh: Mesh) -> None:
    server = status_of(mesh).pid
    dead, *others = stubs(server)
    dead.send_signal(signal.SIGKILL)
    until(lambda: dead not in stubs(server) and len(stubs(server)) == len(others) + 1 and healthy(mesh), 30)
    assert status_of(mesh).pid == server


def test_a_server_whose_model_died_while_it_was_loaded_is_well_again_soon(mesh: Mesh) -> None:
    first = status_of(mesh)
    os.kill(first.pid, signal.SIGKILL)
    half_started = 0

    def a_stub_of_the_next_one_is_killed() -> bool:
        nonlocal half_started
        half_started = status_of(mesh).pid
        # The first stub of a start only asks for the model's configuration: it may be gone before it is hit.
        return half_started not in {0, first.pid} and any(killed(stub) for stub in stubs(half_started))

    until(a_stub_of_the_next_one_is_killed, 30)
    # By another start if it waits for the dead one for ever, without one if it got over it: that depends on the moment.
    until(lambda: healthy(mesh) and len(stubs(status_of(mesh).pid)) >= _MODELS, 70)


def killed(process: psutil.Process) -> bool:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return False
    return True


def test_nothing_of_a_killed_mesh_stays_behind() -> None:
    with running_mesh(["triton"]) as mesh:
        supervisor = psutil.Process(mesh.supervisor())
        everything = supervisor.children(recursive=True)
        assert len(everything) >= 2, "the server and its model's process"
        supervisor.kill()
        _, alive = psutil.wait_procs(everything, timeout=10)
        assert alive == []
