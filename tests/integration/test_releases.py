"""Releases in a whole mesh: tried, switched and rolled back under load, by the command that an operator types."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import urllib.request
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import psutil
import pytest
from moat_client import Decision, Moat
from prometheus_client.parser import text_string_to_metric_families

from services.detection.releases.deep_versions import DeepVersions
from services.runtime.background import end_tasks
from services.runtime.topology import Topology
from tests.support.mesh import running_mesh
from tests.support.releases import OTHER, Copied
from tools.launcher.control import Mesh
from tools.launcher.home import ROOT
from tools.releases.seen import roles

pytestmark = [pytest.mark.xdist_group("releases"), pytest.mark.timeout(300)]
CALLERS = 3


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Copied:
    return Copied(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def mesh(copied: Copied, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    source = copied.topology(tmp_path_factory.mktemp("topology") / "topology.yaml")
    with running_mesh(topology=source) as running:
        # As a release comes to a mesh that runs: its files are put where the others lie.
        copied.add_other()
        yield running


@pytest.fixture
def topology(mesh: Mesh) -> Topology:
    return Topology.load(mesh.home.topology)


@pytest.fixture
async def moat(mesh: Mesh, topology: Topology) -> AsyncIterator[Moat]:
    token = mesh.token(roles=("game_server", "moderator"))
    edge = topology.edge
    async with Moat(f"localhost:{edge.port}", token=token, ca_file=edge.ca_file, timeout=30) as opened:
        yield opened


async def cli(mesh: Mesh, *arguments: str) -> str:
    environment = {**os.environ, "MOAT_HOME": str(mesh.home.folder.parent)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tools.cli", "releases", *arguments,
        cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


async def loaded(topology: Topology) -> list[str]:
    versions = DeepVersions(f"{topology.triton.host}:{topology.triton.grpc}")
    try:
        return await versions.versions.loaded()
    finally:
        await versions.close()


@dataclass
class Load:
    """What callers got while something happened."""

    decisions: list[Decision] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)

    @property
    def degraded(self) -> list[Decision]:
        return [decision for decision in self.decisions if decision.degraded]


@asynccontextmanager
async def load(moat: Moat) -> AsyncIterator[Load]:
    """Each line is new, and each asks the deep tier: a moment without its model would show."""
    seen, numbers = Load(), itertools.count()

    async def call() -> None:
        while True:
            try:
                line = f"you there, number {next(numbers)}, come to the gate {uuid.uuid4().hex[:6]}"
                seen.decisions.append(await moat.moderate(line, user_id=f"user-{uuid.uuid4()}"))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
                seen.errors.append(error)

    callers = [asyncio.create_task(call()) for _ in range(CALLERS)]
    try:
        yield seen
        after = len(seen.decisions)
        async with asyncio.timeout(30):
            while len(seen.decisions) < after + 3 * CALLERS:
                await asyncio.sleep(0.05)
    finally:
        await end_tasks(callers)


async def releases_of(moat: Moat, decisions: list[Decision]) -> Counter[str]:
    records = [(await moat.get_decision(one.decision_id)).decision for one in decisions]
    return Counter(record.signals.release for record in records)


async def test_a_switch_and_a_roll_back_under_load_fail_no_request(
    mesh: Mesh, topology: Topology, moat: Moat, copied: Copied
) -> None:
    live = copied.live
    assert await loaded(topology) == [live.deep_version]
    async with load(moat) as seen:
        await cli(mesh, "switch", OTHER)
        assert await loaded(topology) == ["9"]
        between = len(seen.decisions)
        await cli(mesh, "rollback")
        assert await loaded(topology) == [live.deep_version]
    assert seen.errors == []
    assert seen.degraded == []
    assert between > CALLERS
    found = await releases_of(moat, seen.decisions)
    assert set(found) == {live.name, OTHER}
    assert (await releases_of(moat, seen.decisions[-CALLERS:])).keys() == {live.name}
    history = (await cli(mesh, "history")).splitlines()
    assert [line.split()[2:] for line in history] == [
        ["switch", live.name, "->", OTHER],
        ["rollback", OTHER, "->", live.name],
    ]


async def test_a_canary_decides_its_share_and_a_repeat_finds_the_same_release(
    mesh: Mesh, moat: Moat, copied: Copied
) -> None:
    await cli(mesh, "canary", OTHER, "--percent", "50", "--seed", "a")
    decisions = await asyncio.gather(
        *(
            moat.moderate(f"to the gate, number {number}", user_id="ann", request_id=f"r{number}")
            for number in range(40)
        )
    )
    assert not any(decision.degraded for decision in decisions)
    found = await releases_of(moat, decisions)
    assert min(found[copied.live.name], found[OTHER]) >= 8
    assert "canary 50 %" in await cli(mesh, "list")
    await cli(mesh, "canary", "--off")


async def test_a_shadow_is_compared_and_decides_nothing(
    mesh: Mesh, topology: Topology, moat: Moat, copied: Copied
) -> None:
    await cli(mesh, "shadow", OTHER)
    decisions = [await moat.moderate(f"to the tower, number {n} {uuid.uuid4()}", user_id="ann") for n in range(20)]
    assert set(await releases_of(moat, decisions)) == {copied.live.name}
    assert not any(decision.degraded for decision in decisions)
    port = topology.process("detection").metrics_port
    assert (OTHER, "shadow") in roles(port)
    async with asyncio.timeout(20):
        while await asyncio.to_thread(compared, port) < len(decisions):
            await asyncio.sleep(0.1)
    for decision in decisions:
        signals = (await moat.get_decision(decision.decision_id)).decision.signals
        if signals.HasField("shadow"):
            assert signals.shadow.version == OTHER
            assert (
                max(
                    abs(a.probability - b.probability)
                    for a, b in zip(signals.shadow.scores, signals.scores, strict=True)
                )
                > 0
            )
    await cli(mesh, "shadow", "--off")


def stubs(mesh: Mesh, version: str) -> list[psutil.Process]:
    """The processes behind one version of the deep model."""
    status = mesh.status()
    assert status is not None
    return [
        child
        for child in psutil.Process(status.programs["triton"].pid).children()
        if child.status() != psutil.STATUS_ZOMBIE and f"/deep_text/{version}/" in " ".join(child.cmdline())
    ]


async def test_when_the_model_that_is_tried_dies_the_live_one_does_not_notice(
    mesh: Mesh, moat: Moat, topology: Topology
) -> None:
    await cli(mesh, "shadow", OTHER)
    before = stubs(mesh, "9")
    async with load(moat) as seen:
        for process in before:
            process.kill()
        async with asyncio.timeout(60):
            while not set(stubs(mesh, "9")) - set(before) or "9" not in await loaded(topology):
                await asyncio.sleep(0.1)
    assert (seen.errors, seen.degraded) == ([], [])
    await cli(mesh, "shadow", "--off")


async def test_a_version_that_triton_has_lost_is_loaded_again(topology: Topology, moat: Moat, copied: Copied) -> None:
    """As after a restart of Triton, when its own configuration does not name what is live."""
    versions = DeepVersions(f"{topology.triton.host}:{topology.triton.grpc}")
    try:
        async with asyncio.timeout(60):
            await versions.versions.load("9")
            await versions.versions.unload(copied.live.deep_version)
            while copied.live.deep_version not in await loaded(topology):
                await asyncio.sleep(0.1)
            while (await moat.moderate(f"are we well again {uuid.uuid4()}", user_id="ann")).degraded:
                await asyncio.sleep(0.1)
    finally:
        await versions.close()


async def test_a_bad_plan_changes_nothing_and_check_config_names_it(
    mesh: Mesh, topology: Topology, moat: Moat, copied: Copied
) -> None:
    plan = topology.process("detection").state_dir / "releases.yaml"
    before = plan.read_bytes()
    plan.write_text("live: text-77\n")
    try:
        port = topology.process("detection").metrics_port
        async with asyncio.timeout(20):
            while await asyncio.to_thread(stale, port) != 1:
                await asyncio.sleep(0.1)
        decision = await moat.moderate(f"still here {uuid.uuid4()}", user_id="ann")
        assert (await releases_of(moat, [decision])).keys() == {copied.live.name}
        environment = {**os.environ, "MOAT_TOPOLOGY": str(mesh.home.topology)}
        check = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.detection", "--check-config",
            cwd=ROOT, env=environment, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, said = await check.communicate()
        assert check.returncode == 78
        assert "there is no release 'text-77'" in said.decode()
    finally:
        plan.write_bytes(before)
    async with asyncio.timeout(20):
        while await asyncio.to_thread(stale, port) != 0:
            await asyncio.sleep(0.1)


def sample(port: int, name: str, **labels: str) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    return sum(
        one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
        if one.name == name and labels.items() <= one.labels.items()
    )


def compared(port: int) -> float:
    return sample(port, "detection_shadow_compared_total", release=OTHER)


def stale(port: int) -> float:
    return sample(port, "reload_stale", what="releases")
