"""`moat calibrate` on texts that are scored here, and `moat calibrations`: no mesh needed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml

from services.routing.calibration.folder import read_all
from services.routing.calibration.making import Row
from tools.cli.__main__ import main
from tools.cli.calibration.scored import ScoredLabel, usable

BENIGN = [f"we meet at base {number} before the next round" for number in range(70)]


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.jsonl"
    rows = [
        {"id": number, "text": text, "surface": "chat", "label": {"platform.profanity": 0, "hate": 0}}
        for number, text in enumerate(BENIGN)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["moat", *map(str, arguments)])
    return main()


def test_limits_are_found_written_and_listed(
    labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "calibrations"
    given = ("calibrate", "--tenant", "demo", "--labels", labels, "--folder", folder, "--target", "0.05")
    assert run(monkeypatch, *given, "--target", "hate_sure=0.001") == 0
    said = capsys.readouterr().out
    assert "demo/production/chat: 70 labelled texts" in said
    assert "hate_sure: 70 benign labels of hate cannot show 0.10%; it takes at least 2925 more" in said
    assert "threat: 0 benign labels" in said

    (made,) = read_all([folder])
    assert set(made.limits) == {"profanity", "hate"}
    assert made.limits["hate"].benign == 70
    assert made.reference.source == "labels"
    assert {"normaliser", "fast_text", "deep_text"} <= set(made.models)

    assert run(monkeypatch, "calibrations", "--folder", folder) == 0
    assert capsys.readouterr().out.startswith("holds   demo/production/chat ")
    assert run(monkeypatch, "calibrations", "--folder", folder, made.reference_name) == 0
    assert yaml.safe_load(capsys.readouterr().out) == made.model_dump(mode="json")


def test_when_nothing_can_be_shown_nothing_is_written(
    labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("calibrate", "--tenant", "demo", "--labels", labels, "--folder", tmp_path / "c", "--target", "0.01")
    assert run(monkeypatch, *given) == 2
    assert "it takes at least 229 more" in capsys.readouterr().out
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--target", "1%"], "must be above 0 and below 1"),
        (["--target", "0"], "must be above 0 and below 1"),
        (["--target", "hate=0.01"], "say one for all limits too"),
        (["--target", "0.01", "--target", "heit=0.1"], "the policy has no such limit"),
        (["--target", "0.01", "--target", "sexual_image=0.1"], "not about texts alone"),
        (["--target", "0.01", "--confidence", "1"], "--confidence"),
        (["--target", "0.01", "--surface", "a b"], "cannot be calibrated"),
        (["--target", "0.01", "--policy", "/nowhere.yaml"], "/nowhere.yaml"),
        (["--target", "0.01", "--surface", "forum"], "no label is of surface 'forum'; there are chat"),
    ],
)
def test_each_mistake_is_one_line(
    arguments: list[str], said: str, labels: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "calibrate", "--tenant", "demo", "--labels", labels, *arguments) == 1
    found = capsys.readouterr()
    assert found.out == ""
    assert said in found.err
    assert len(found.err.splitlines()) == 1


def test_labels_of_other_models_than_the_latest_are_left_out() -> None:
    old, new = (("fast_text", "1"),), (("fast_text", "2"),)
    labels = [
        ScoredLabel("chat", when, models, Row({}, {})) for when, models in [(1, old), (2, old), (3, new), (1, new)]
    ]
    found = usable([*labels, ScoredLabel("forum", 9, old, Row({}, {}))], "chat")
    assert (found.models, len(found.rows), found.other_models) == ({"fast_text": "2"}, 2, 2)
