"""`moat detectors`: what is on, for whom, and how it does."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from prometheus_client import REGISTRY, generate_latest

from services.context.behaviour.registry import BEHAVIOURS
from services.detection.detectors import metrics
from services.detection.detectors.registry import DETECTORS
from tests.support.detectors import write
from tools.cli import detectors
from tools.cli.failure import Failure


@pytest.fixture(autouse=True)
def no_mesh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOAT_HOME", str(tmp_path / "home"))


def said(capsys: pytest.CaptureFixture[str], *folders: Path, everything: bool = False) -> str:
    parser = argparse.ArgumentParser()
    detectors.register(parser.add_subparsers())
    arguments = ["detectors", *(["--all"] if everything else [])]
    for folder in folders:
        arguments += ["--folder", str(folder)]
    parsed = parser.parse_args(arguments)
    assert parsed.run(parsed) == 0
    return capsys.readouterr().out


def test_all_lists_the_registry(capsys: pytest.CaptureFixture[str]) -> None:
    names = [line.split()[0] for line in said(capsys, everything=True).splitlines()]
    assert names == [*DETECTORS, *(behaviour.name for behaviour in BEHAVIOURS)]


def test_each_file_is_told_with_what_it_asks_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "off_one", uses="phone_number_or_address_shared", enabled=False)
    budget = {"micros_a_day": 500, "cost_micros": 5}
    fields = {"tenants": ["b", "a"], "surfaces": ["chat"], "required": True, "budget": budget, "deadline_ms": 70}
    write(tmp_path, "one", uses="phone_number_or_address_shared", **fields)
    off, on, whose, asked, spends = said(capsys, tmp_path).splitlines()
    assert off.split()[:2] == ["off_one", "off"]
    assert on.split()[:3] == ["one", "on", "phone_number_or_address_shared"]
    assert "text of tenant a b, every environment, surface chat" in whose
    assert "always, for 70 ms, required" in asked
    assert "500 micros a day and tenant, 5 a question" in spends


def test_a_broken_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "one", uses="nothing")
    with pytest.raises(Failure, match=r"one\.yaml: uses: there is no detector 'nothing'"):
        said(capsys, tmp_path)


def test_what_the_mesh_says_of_itself_is_read(tmp_path: Path) -> None:
    name = "read_by_the_cli"
    metrics.ANSWERS.labels(name, "answered").inc(3)
    metrics.ANSWERS.labels(name, "failed").inc()
    metrics.COST.labels(name).inc(42)
    metrics.BREAKER.labels(name).set(2)
    doing = detectors._read(generate_latest(REGISTRY).decode().splitlines())
    assert detectors._said(doing[name]) == "breaker OPEN; 3 answered, 1 failed; cost 42 micros"
    assert detectors._said({"breaker": 0.0}) == "breaker closed; nothing asked yet; cost 0 micros"
    assert "not taken up" in detectors._said(None)
