"""Plugged-in detectors in the running mesh: switched on by a file, asked, recorded, switched off, and never in the way."""

from __future__ import annotations

import asyncio
import json
import urllib.request
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from moat.detection.v1 import signals_pb2
from moat_client import Moat

from services.detection.detectors.live import LiveDetectors
from services.detection.detectors.port import Kind
from services.detection.settings import DetectionSettings
from services.runtime.topology import Topology
from tests.integration.test_images import cli
from tests.support.detectors import read, text, write
from tests.support.http_server import Asked, Reply, http_server
from tests.support.pictures import drawing, encoded
from tools.launcher.control import Mesh
from tools.launcher.home import ROOT

SURFACE = "plugged"
"""Where only these tests look, so that the others' lines are nobody's."""
_RELOAD_SECONDS = 20.0


@pytest.fixture
def folder(mesh: Mesh) -> Iterator[Path]:
    """Of detectors' files, in the running mesh."""
    state = Topology.load(mesh.home.topology).process("detection").state_dir / "detectors"
    state.mkdir(parents=True, exist_ok=True)
    yield state
    for path in state.iterdir():
        path.unlink()


@pytest.fixture
async def moat(mesh: Mesh) -> AsyncIterator[Moat]:
    edge = Topology.load(mesh.home.topology).edge
    token = mesh.token(tenant="demo", roles=("game_server", "moderator"))
    async with Moat(f"localhost:{edge.port}", token=token, ca_file=edge.ca_file, timeout=20) as opened:
        yield opened


async def found_in(moat: Moat, line: str) -> signals_pb2.Signals:
    """What detection found in a line that nobody has said before."""
    decision = await moat.moderate(f"{line} {uuid.uuid4().hex[:8]}", user_id=f"u-{uuid.uuid4()}", surface=SURFACE)
    return (await moat.get_decision(decision.decision_id)).decision.signals


async def until(moat: Moat, line: str, states: dict[str, str]) -> signals_pb2.Signals:
    """The mesh looks at its files every second."""
    async with asyncio.timeout(_RELOAD_SECONDS):
        while True:
            signals = await found_in(moat, line)
            if {one.name: one.state for one in signals.detectors} == states:
                return signals
            await asyncio.sleep(0.2)


def metric(mesh: Mesh, name: str) -> float:
    port = Topology.load(mesh.home.topology).process("detection").metrics_port
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page:
        lines = page.read().decode().splitlines()
    # What has never happened is not there yet.
    return float(next((line.rpartition(" ")[2] for line in lines if line.startswith(name)), 0))


async def test_a_file_switches_one_on_and_off_and_the_record_says_what_it_found(
    mesh: Mesh, moat: Moat, folder: Path
) -> None:
    assert not (await found_in(moat, "she lives at 12 Baker Street")).detectors
    write(folder, "addresses_here", uses="phone_number_or_address_shared", tenants=["demo"], surfaces=[SURFACE])
    signals = await until(moat, "she lives at 12 Baker Street", {"addresses_here": "answered"})
    assert {one.category: round(one.probability, 2) for one in signals.detectors[0].scores} == {
        "privacy.doxxing": 0.8,
        "privacy.personal_data": 0.8,
    }
    decision = await moat.moderate("he lives at 12 Baker Street", user_id="u", surface=SURFACE)
    assert "addresses_here" in cli(mesh, "decision", decision.decision_id)
    listed = cli(mesh, "detectors")
    assert "addresses_here           on" in listed
    assert "breaker closed" in listed
    plain = await moat.moderate("12 Baker Street", user_id="u", surface="chat")
    assert not (await moat.get_decision(plain.decision_id)).decision.signals.detectors, "of another surface"
    (folder / "addresses_here.yaml").unlink()
    await until(moat, "she lives at 12 Baker Street", {})


async def test_a_server_that_goes_away_costs_its_own_answers_alone(moat: Moat, folder: Path) -> None:
    async def answers(asked: Asked) -> Reply:
        items = json.loads(asked.body)["items"]
        results = [{"index": one["index"], "scores": {"fraud.phishing": 0.75}} for one in items]
        return Reply(json.dumps({"results": results}).encode())

    async with http_server(answers) as server:
        write(
            folder,
            "theirs",
            uses="http_endpoint_answers",
            settings={"url": server.url()},
            categories=["fraud.phishing"],
            surfaces=[SURFACE],
            max_list=8,
            deadline_ms=1000,
            breaker={"failures": 2, "calls": 2, "seconds": 1},
        )
        await until(moat, "gg", {"theirs": "answered"})
        busy = [asyncio.create_task(found_in(moat, "gg")) for _ in range(40)]
        await asyncio.wait(busy, return_when=asyncio.FIRST_COMPLETED)
    after = [await found_in(moat, "gg") for _ in range(3)]
    for signals in [*(await asyncio.gather(*busy)), *after]:
        assert len(signals.scores) > 1, "the cascade has spoken"
        assert not signals.degraded, "it is not required"
        assert [one.state for one in signals.detectors] in (["answered"], ["unavailable"], ["out_of_time"])
    assert [one.detectors[0].state for one in after] == ["unavailable"] * 3
    async with http_server(answers, port=server.port):
        await until(moat, "gg", {"theirs": "answered"})


async def test_without_one_that_is_required_a_line_waits_as_the_policy_says(moat: Moat, folder: Path) -> None:
    settings = {"url": "http://127.0.0.1:9/"}
    fields = {"settings": settings, "categories": ["hate"], "surfaces": [SURFACE], "required": True}
    write(folder, "needed", uses="http_endpoint_answers", **fields)
    await until(moat, "gg", {"needed": "unavailable"})
    decision = await moat.moderate(f"good game {uuid.uuid4().hex[:6]}", user_id="u", surface=SURFACE)
    assert (decision.outcome, list(decision.degraded)) == ("HOLD", ["detectors:hold"])


async def test_a_broken_file_leaves_the_last_good_ones_and_is_seen(mesh: Mesh, moat: Moat, folder: Path) -> None:
    write(folder, "addresses_here", uses="phone_number_or_address_shared", surfaces=[SURFACE])
    await until(moat, "gg", {"addresses_here": "answered"})
    bad = metric(mesh, 'reloads_total{outcome="bad",what="detectors"}')
    write(folder, "broken", uses="nothing_that_there_is")
    async with asyncio.timeout(_RELOAD_SECONDS):
        while metric(mesh, 'reload_stale{what="detectors"}') == 0:
            await asyncio.sleep(0.2)
    assert metric(mesh, 'reloads_total{outcome="bad",what="detectors"}') == bad + 1
    assert [one.name for one in (await found_in(moat, "gg")).detectors] == ["addresses_here"]
    assert "broken.yaml: uses: there is no detector" in cli(mesh, "detectors")
    (folder / "broken.yaml").unlink()
    async with asyncio.timeout(_RELOAD_SECONDS):
        while metric(mesh, 'reload_stale{what="detectors"}') == 1:
            await asyncio.sleep(0.2)


async def test_a_picture_is_looked_at_when_its_tiers_have_spoken(moat: Moat, folder: Path) -> None:
    seen: list[bytes] = []

    async def answers(asked: Asked) -> Reply:
        seen.append(asked.body)
        return Reply(b'{"results": [{"index": 0, "scores": {"violence.weapon_display": 0.5}}]}')

    async with http_server(answers) as server:
        fields = {"settings": {"url": server.url()}, "categories": ["violence.weapon_display"], "kinds": ["image"]}
        write(folder, "pictures", uses="http_endpoint_answers", deadline_ms=2000, surfaces=[SURFACE], **fields)
        async with asyncio.timeout(_RELOAD_SECONDS):
            states: list[str] = []
            while states != ["answered"]:
                picture = encoded(drawing(uuid.uuid4().int % 1000))
                decision = await moat.moderate_image(picture, user_id="u", surface=SURFACE)
                signals = (await moat.get_decision(decision.decision_id)).decision.signals
                states = [one.state for one in signals.detectors]
    assert signals.HasField("image")
    assert len(seen) == 1


async def test_a_term_list_that_is_put_there_counts_within_seconds(mesh: Mesh, moat: Moat) -> None:
    lists = Topology.load(mesh.home.topology).process("detection").state_dir / "lists"
    lists.mkdir(parents=True, exist_ok=True)
    word = f"zq{uuid.uuid4().hex[:6]}x"
    path = lists / "ours.yaml"
    path.write_text(
        f"id: ours\nversion: '1'\ntenant: demo\nentries: [{{id: e, category: platform.profanity, terms: [{word}]}}]\n"
    )
    try:
        async with asyncio.timeout(_RELOAD_SECONDS):
            while (await moat.moderate(f"a {word}", user_id=f"u-{uuid.uuid4()}")).outcome != "MASK":
                await asyncio.sleep(0.2)
    finally:
        path.unlink()


async def test_a_model_on_triton_says_what_the_deep_tier_does(mesh: Mesh, tmp_path: Path) -> None:
    shipped = (ROOT / "config" / "detectors" / "second_opinion.yaml").read_text()
    tokenizer = DetectionSettings().deep_text / "tokenizer.json"
    (tmp_path / "own.yaml").write_text(
        shipped.replace("enabled: false", "enabled: true")
        .replace("deadline_ms: 150", "deadline_ms: 10000")
        .replace("../../inference/model_repository/deep_text/tokenizer.json", str(tokenizer))
    )
    server = Topology.load(mesh.home.topology).triton
    live = LiveDetectors(read(tmp_path), triton=f"{server.host}:{server.grpc}")
    panel = live.panel(Kind.TEXT, tenant="t", environment="production", surface="chat")
    assert panel is not None
    lines = ("i will find you and kill you for real", "good evening")
    findings = await asyncio.gather(*(panel.detectors[0].ask(text(line), deadline=None) for line in lines))
    await live.close()
    threat, greeting = ({one.category: one.probability for one in finding.scores} for finding in findings)
    assert threat.keys() == greeting.keys() == {"violence.threat", "hate"}
    assert threat["violence.threat"] > 0.5 > greeting["violence.threat"]


async def test_a_model_that_triton_does_not_have_is_unavailable(mesh: Mesh, tmp_path: Path) -> None:
    settings = {"model": "nobody", "columns": ["hate"]}
    write(tmp_path, "own", uses="triton_model_scores", categories=["hate"], settings=settings, deadline_ms=10_000)
    server = Topology.load(mesh.home.topology).triton
    live = LiveDetectors(read(tmp_path), triton=f"{server.host}:{server.grpc}")
    panel = live.panel(Kind.IMAGE, tenant="t", environment="", surface="")
    assert panel is not None
    assert (await panel.detectors[0].ask(text("gg"), deadline=None)).state == "unavailable"
    await live.close()
