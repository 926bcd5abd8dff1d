"""The whole mesh as `make up` starts it."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import psutil
import pytest

from services.runtime.topology import Topology
from tests.support.families import in_family
from tools.launcher.control import Mesh
from tools.launcher.resolve import read_source
from tools.launcher.status import State
from tools.launcher.triton_health import TritonHealth

MOST_MEGABYTES = 2500
PROCESSES = sorted(read_source()["processes"])


def wait_until_well(mesh: Mesh, name: str, *, other_than: int, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while True:
        status = mesh.status()
        assert status is not None
        one = status.programs[name]
        if one.state is State.HEALTHY and one.pid != other_than and status.healthy:
            return
        assert time.monotonic() < deadline, status
        time.sleep(0.05)


def pid_of(mesh: Mesh, name: str) -> int:
    status = mesh.status()
    assert status is not None
    return status.programs[name].pid


def test_every_process_of_the_topology_runs_and_is_well(mesh: Mesh) -> None:
    status = mesh.status()
    assert status is not None
    assert status.healthy
    servers = {"postgres", "redis-log", "redis-state", "triton", "edge"}
    assert set(status.programs) == servers | set(PROCESSES)


def test_nothing_listens_to_the_outside(mesh: Mesh) -> None:
    listening = [
        # gRPC's sockets understand both families and show loopback as ::ffff:127.0.0.1.
        connection.laddr.ip.removeprefix("::ffff:")
        for connections in in_family(mesh.supervisor(), psutil.Process.net_connections)
        for connection in connections
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 20
    assert set(listening) == {"127.0.0.1"}


def test_it_fits_into_its_memory(mesh: Mesh) -> None:
    used = sum(in_family(mesh.supervisor(), lambda process: process.memory_full_info().pss))
    assert used / 1e6 < MOST_MEGABYTES


@pytest.mark.parametrize("name", ["edge", *PROCESSES])
def test_a_killed_process_is_back_and_well_without_a_hand(mesh: Mesh, name: str) -> None:
    pid = pid_of(mesh, name)
    os.kill(pid, signal.SIGKILL)
    wait_until_well(mesh, name, other_than=pid)


@pytest.mark.parametrize("name", ["edge", *PROCESSES])
def test_a_process_ends_by_itself_when_it_is_asked_to(mesh: Mesh, name: str) -> None:
    process = psutil.Process(pid_of(mesh, name))
    process.send_signal(signal.SIGTERM)
    process.wait(12)
    wait_until_well(mesh, name, other_than=process.pid)


def stubs(triton: int) -> list[psutil.Process]:
    return [one for one, parent in in_family(triton, lambda one: (one, one.ppid())) if parent == triton]


def test_a_dead_model_process_is_replaced(mesh: Mesh) -> None:
    """Triton itself would fail every request to the model from then on, and go on calling it ready."""
    triton = psutil.Process(pid_of(mesh, "triton"))
    before = stubs(triton.pid)
    before[0].kill()
    deadline = time.monotonic() + 20
    while before[0] in stubs(triton.pid) or len(stubs(triton.pid)) != len(before):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    topology = Topology.load(mesh.home.topology)
    assert asyncio.run(_answers(topology, deadline))
    assert pid_of(mesh, "triton") == triton.pid


async def _answers(topology: Topology, deadline: float) -> bool:
    health = TritonHealth(topology.triton)
    while time.monotonic() < deadline:
        try:
            if await health.probe():
                return True
        except ConnectionError:
            pass
        await asyncio.sleep(0.1)
    return False
