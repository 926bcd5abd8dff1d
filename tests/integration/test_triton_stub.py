"""What Triton does not survive by itself: the death of the process behind a model."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from tests.support.mesh import running_mesh
from tools.launcher.control import Mesh
from tools.launcher.status import ProgramStatus

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


def test_a_server_whose_model_died_while_it_was_loaded_is_started_again_soon(mesh: Mesh) -> None:
    first = status_of(mesh)
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: status_of(mesh).pid not in {0, first.pid} and stubs(status_of(mesh).pid), 20)
    half_started = status_of(mesh).pid
    stubs(half_started)[0].send_signal(signal.SIGKILL)
    until(lambda: status_of(mesh).pid not in {0, half_started} and healthy(mesh), 45)
