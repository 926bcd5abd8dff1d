"""A mesh from the outside: up, down, killed, side by side; with the servers alone, which is quick."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
import yaml

from services.runtime.topology import Topology
from tests.support.families import in_family
from tests.support.mesh import SERVERS, running_mesh
from tools.launcher.control import Mesh, MeshDown
from tools.launcher.database import connection_string
from tools.launcher.home import ROOT, Home
from tools.launcher.resolve import read_source
from tools.launcher.status import Status

STATE = ("redis-state",)


@pytest.fixture
def own() -> Iterator[Mesh]:
    """A home of its own, for tests that start and stop by themselves; nothing of it may be left."""
    with tempfile.TemporaryDirectory(prefix="moat-test-") as folder:
        Path(folder).chmod(0o711)
        mesh = Mesh(Home.under(Path(folder)))
        yield mesh
        mesh.stop()
        assert mesh.processes() == []


def start(mesh: Mesh, *only: str) -> tuple[int, Topology]:
    supervisor = mesh.start(only=only, outlive_us=False)
    return supervisor, mesh.wait_until_up(supervisor, seconds=60)


def programs(mesh: Mesh) -> Status:
    status = mesh.status()
    assert status is not None
    return status


def keep_something(topology: Topology) -> None:
    """In Postgres and in the log."""
    with psycopg.connect(connection_string(topology.postgres, "moat_owner")) as connection:
        connection.execute("create table kept as select 1 as one")
    log = topology.redis_log
    with redis.Redis(host=log.host, port=log.port, password=log.password()) as client:
        client.set("kept", "1")


def assert_kept(topology: Topology) -> None:
    with psycopg.connect(connection_string(topology.postgres, "moat_owner")) as connection:
        assert connection.execute("select one from kept").fetchone() == (1,)
    log = topology.redis_log
    with redis.Redis(host=log.host, port=log.port, password=log.password()) as client:
        assert client.get("kept") == b"1"


def secrets(mesh: Mesh) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in mesh.home.secrets.iterdir()}


# That ports stay is a promise only while nobody takes them: another test's mesh may, between two starts. See test_resolve.


def test_everything_dies_with_its_supervisor_and_comes_back_with_its_data(own: Mesh) -> None:
    supervisor, topology = start(own, *SERVERS)
    keep_something(topology)
    before = secrets(own)
    os.kill(supervisor, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while own.processes() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert own.processes() == []
    assert_kept(start(own, *SERVERS)[1])
    assert secrets(own) == before


def test_everything_comes_back_when_all_of_it_was_killed(own: Mesh) -> None:
    supervisor, topology = start(own, *SERVERS)
    keep_something(topology)
    before = secrets(own)
    for pid in [supervisor, *own.processes()]:
        # Those that it holds on a leash may be gone with the supervisor before they are hit.
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert_kept(start(own, *SERVERS)[1])
    assert secrets(own) == before


def test_what_was_killed_is_well_again_without_a_hand(own: Mesh) -> None:
    start(own, *SERVERS)
    before = programs(own).programs
    for name in SERVERS:
        os.kill(before[name].pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while not (programs(own).healthy and all(one.starts == 2 for one in programs(own).programs.values())):
        assert time.monotonic() < deadline, programs(own)
        time.sleep(0.05)


def test_two_copies_run_side_by_side(own: Mesh) -> None:
    _, topology = start(own, *STATE)
    with running_mesh(STATE) as other:
        port = Topology.load(other.home.topology).redis_state.port
        assert port != topology.redis_state.port
        assert programs(own).healthy


def test_a_second_start_in_the_same_home_is_refused(own: Mesh) -> None:
    start(own, *STATE)
    with pytest.raises(MeshDown, match=r"runs in .* already"):
        start(own, *STATE)
    assert programs(own).healthy


def test_what_does_not_start_is_named_with_the_end_of_its_log(own: Mesh, tmp_path: Path) -> None:
    source = read_source()
    source["processes"]["routing"] = {"module": "no.such.module", "port": 7463, "metrics_port": 7563}
    broken = tmp_path / "topology.yaml"
    broken.write_text(yaml.safe_dump(source))
    supervisor = own.start(topology=broken, only=["routing"], outlive_us=False)
    with pytest.raises(MeshDown, match=r"routing does not start: ended with code 1\n.*No module named 'no'") as failure:
        own.wait_until_up(supervisor, seconds=60)
    assert "routing" in str(failure.value)


def test_a_broken_source_is_named(own: Mesh, tmp_path: Path) -> None:
    broken = tmp_path / "topology.yaml"
    broken.write_text("servers: {}\nprocesses: {}\n")
    supervisor = own.start(topology=broken, outlive_us=False)
    with pytest.raises(MeshDown, match="trust_domain"):
        own.wait_until_up(supervisor, seconds=60)


def test_the_command_starts_shows_and_stops_a_mesh(own: Mesh) -> None:
    def moat(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "MOAT_HOME": str(own.home.folder.parent)}
        return subprocess.run(
            [ROOT / "bin" / "moat", *arguments], env=environment, capture_output=True, text=True, check=False, cwd="/"
        )

    assert moat("status").returncode == 1
    up = moat("up", "--only", *STATE)
    assert up.returncode == 0, up.stderr
    assert "redis-state  healthy" in up.stdout
    assert "up already" in moat("up", "--only", *STATE).stdout
    status = moat("status")
    assert (status.returncode, "redis-state  healthy" in status.stdout) == (0, True)
    assert "Ready to accept connections" in moat("logs", "redis-state").stdout
    assert moat("down").stdout == "down\n"
    assert moat("down").stdout == "down already\n"
    assert own.processes() == []


def test_nothing_listens_to_the_outside(servers: Mesh) -> None:
    listening = [
        connection.laddr
        for connections in in_family(servers.supervisor(), psutil.Process.net_connections)
        for connection in connections
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 5
    assert {address.ip for address in listening} == {"127.0.0.1"}
