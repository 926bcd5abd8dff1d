"""Calibration through the whole mesh: decisions are labelled, limits found, routing has them in a moment, and says so."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from moat_client import Decision, Moat

from services.routing.calibration.folder import FOLDER, read_all
from services.runtime.topology import Topology
from tools.launcher.control import Mesh
from tools.launcher.home import ROOT

TENANT = "arena"
INSULT = "you are a worthless idiot"
_PLAIN = 66
_RELOAD_SECONDS = 20.0
Ran = subprocess.CompletedProcess[str]
Run = Callable[..., Ran]


@pytest.fixture
def cli(mesh: Mesh) -> Run:
    environment = {**os.environ, "MOAT_HOME": str(mesh.home.folder.parent)}

    def run(*arguments: object) -> Ran:
        command = [sys.executable, "-m", "tools.cli", *map(str, arguments)]
        return subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60
        )

    return run


@pytest.fixture
def calibrations(mesh: Mesh) -> Iterator[Path]:
    """The folder that routing looks at; empty again afterwards."""
    folder = mesh.home.data / "routing" / FOLDER
    yield folder
    remove(folder)


def remove(folder: Path) -> None:
    for path in folder.rglob("*.yaml"):
        path.unlink()


def client(mesh: Mesh, tenant: str) -> Moat:
    edge = Topology.load(mesh.home.topology).edge
    token = mesh.token(tenant=tenant, roles=("game_server", "moderator"))
    return Moat(f"localhost:{edge.port}", token=token, ca_file=edge.ca_file, timeout=20)


@pytest.fixture
async def moat(mesh: Mesh) -> AsyncIterator[Moat]:
    async with client(mesh, TENANT) as opened:
        yield opened


async def said(moat: Moat, text: str, surface: str = "chat") -> Decision:
    return await moat.moderate(text, user_id=f"user-{uuid.uuid4()}", surface=surface)


async def until_calibrated(moat: Moat, name: str) -> Decision:
    """The mesh looks at its calibrations every second."""
    async with asyncio.timeout(_RELOAD_SECONDS):
        while True:
            decision = await said(moat, INSULT)
            if (await moat.get_decision(decision.decision_id)).decision.verdict.calibration == name:
                return decision
            await asyncio.sleep(0.2)


def label(decision: Decision, insult: int) -> dict[str, object]:
    return {"decision_id": decision.decision_id, "label": {"harassment.insult": insult, "toxicity": insult}}


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


async def test_a_community_that_finds_an_insult_harmless_gets_limits_of_its_own_and_nobody_else_does(
    mesh: Mesh, moat: Moat, cli: Run, calibrations: Path, tmp_path: Path
) -> None:
    plain = [await said(moat, f"see you at the old bridge number {number}") for number in range(_PLAIN)]
    rude = [await said(moat, INSULT) for _ in range(9)]
    assert {decision.outcome for decision in rude} == {"MASK"}
    labels = write(tmp_path / "labels.jsonl", [label(decision, 0) for decision in (*plain, *rude)])

    ran = cli("calibrate", "--tenant", TENANT, "--labels", labels, "--target", "0.05", "--reference", "300")
    assert (ran.returncode, ran.stderr) == (0, ""), ran
    (made,) = read_all([calibrations])
    assert (made.name, made.reference.source) == (f"{TENANT}/production/chat", "decisions")
    assert made.limits["insult"].value > made.limits["insult"].own

    decision = await until_calibrated(moat, made.reference_name)
    assert decision.outcome == "ALLOW"
    assert f"calibration   {made.reference_name}" in cli("decision", decision.decision_id, "--tenant", TENANT).stdout
    assert (await said(moat, INSULT, surface="forum")).outcome == "MASK"
    async with client(mesh, "demo") as other:
        elsewhere = await said(other, INSULT)
        assert elsewhere.outcome == "MASK"
        assert not (await other.get_decision(elsewhere.decision_id)).decision.verdict.calibration

    assert f"holds   {made.name}" in cli("calibrations").stdout
    drift = cli("drift", "--tenant", TENANT)
    assert f"against the reference of {made.name}" in drift.stdout, drift


async def test_without_its_calibration_a_tenant_has_the_policy_s_limits_again(
    moat: Moat, cli: Run, calibrations: Path, tmp_path: Path
) -> None:
    decisions = [await said(moat, f"we take the left path {number}") for number in range(_PLAIN)]
    labels = write(tmp_path / "labels.jsonl", [label(decision, 0) for decision in decisions])
    assert cli("calibrate", "--tenant", TENANT, "--labels", labels, "--target", "0.05").returncode == 0
    (made,) = read_all([calibrations])
    await until_calibrated(moat, made.reference_name)
    remove(calibrations)
    assert (await until_calibrated(moat, "")).outcome == "MASK"


async def test_a_bad_file_leaves_the_last_good_one_in_force(
    moat: Moat, cli: Run, calibrations: Path, tmp_path: Path
) -> None:
    decisions = [await said(moat, f"the boss is near gate {number}") for number in range(_PLAIN)]
    labels = write(tmp_path / "labels.jsonl", [label(decision, 0) for decision in decisions])
    assert cli("calibrate", "--tenant", TENANT, "--labels", labels, "--target", "0.05").returncode == 0
    (made,) = read_all([calibrations])
    await until_calibrated(moat, made.reference_name)
    (calibrations / "broken.yaml").write_text("tenant: [half a")
    async with asyncio.timeout(_RELOAD_SECONDS):
        while "reload_bad_last_good_used" not in cli("logs", "routing", "-n", "200").stdout:
            await asyncio.sleep(0.2)
    await until_calibrated(moat, made.reference_name)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (
            {"decision_id": str(uuid.UUID(int=7)), "label": {"hate": 0}},
            "is not in the record of this tenant and environment",
        ),
        ({"decision_id": "17", "label": {"hate": 0}}, "'17' is no decision's id"),
    ],
)
def test_a_label_of_no_decision_is_named_by_its_line(
    cli: Run, tmp_path: Path, row: dict[str, object], why: str
) -> None:
    ran = cli("calibrate", "--tenant", TENANT, "--labels", write(tmp_path / "l.jsonl", [row]), "--target", "0.05")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "l.jsonl line 1" in ran.stderr
    assert why in ran.stderr


async def test_a_decision_of_another_tenant_cannot_be_labelled(mesh: Mesh, cli: Run, tmp_path: Path) -> None:
    async with client(mesh, "demo") as other:
        decision = await said(other, "good evening")
        assert (await other.get_decision(decision.decision_id)).decision.tenant == "demo"
    ran = cli(
        "calibrate",
        "--tenant",
        TENANT,
        "--labels",
        write(tmp_path / "l.jsonl", [label(decision, 0)]),
        "--target",
        "0.05",
    )
    assert "is not in the record of this tenant" in ran.stderr


async def test_a_random_sample_is_a_file_of_labels_once_somebody_has_filled_it_in(
    moat: Moat, cli: Run, tmp_path: Path
) -> None:
    place = f"place-{uuid.uuid4().hex[:8]}"
    decided = {(await said(moat, f"line {number}", surface=place)).decision_id for number in range(5)}
    asked = ("sample", "--tenant", TENANT, "--surface", place, "--content", "--from", "2020-01-01", "--count", "3")
    async with asyncio.timeout(_RELOAD_SECONDS):
        while len(rows := [json.loads(line) for line in cli(*asked).stdout.splitlines()]) < 3:
            await asyncio.sleep(0.2)
    assert {row["decision_id"] for row in rows} <= decided
    assert {row["content"][:5] for row in rows} == {"line "}
    calibrate = ("calibrate", "--tenant", TENANT, "--target", "0.05", "--labels")
    assert "l.jsonl line 1: label" in cli(*calibrate, write(tmp_path / "l.jsonl", rows)).stderr
    filled = [{**row, "label": {"hate": 0}} for row in rows]
    ran = cli(*calibrate, write(tmp_path / "l.jsonl", filled))
    assert (ran.returncode, f"{place}: 3 labelled texts" in ran.stdout) == (2, True), ran
    assert "it takes at least 56 more" in ran.stdout


def test_drift_needs_something_to_hold_against(cli: Run) -> None:
    ran = cli("drift", "--tenant", "harbor")
    assert ran.returncode == 1
    assert "harbor/production is not calibrated; say `--against TIME..TIME`" in ran.stderr


def test_drift_between_two_times_shows_each_language(cli: Run) -> None:
    ran = cli("drift", "--tenant", TENANT, "--from", "2020-01-01", "--against", "2020-01-01..2200-01-01")
    assert ran.returncode == 0, ran
    assert "chat, all: " in ran.stdout
    assert "chat, en: " in ran.stdout
