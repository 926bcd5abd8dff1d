"""What `moat check-config` finds that no process can see alone: policies, detectors and lists beside each other."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from services.routing.calibration.folder import write as keep
from services.routing.loading import load
from tests.support.calibrations import calibration
from tests.support.detectors import write
from tests.support.topologies import example_topology
from tools.cli.check import beside_each_other, stale_calibrations
from tools.cli.failure import Failure

POLICY = {
    "name": "small",
    "version": "1",
    "limits": {"default": {}},
    "missing": {"default": {}},
    "detectors": ["addresses_here"],
    "rules": [
        {"id": "r", "description": "", "when": "detector.addresses_here > 0.5", "category": "privacy", "severity": 1}
    ],
    "tests": [{"name": "nothing", "expect": "ALLOW"}],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Policies, and detectors and lists that came with the configuration and that were put into a running mesh."""
    for name in ("policies", "detectors", "lists", "state/detectors", "state/lists"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "policies" / "default.yaml").write_text(yaml.safe_dump(POLICY))
    monkeypatch.setenv("DETECTION_DETECTORS", str(tmp_path / "detectors"))
    monkeypatch.setenv("DETECTION_LISTS", str(tmp_path / "lists"))
    return tmp_path


def problems(folder: Path) -> dict[str, str]:
    return beside_each_other(example_topology(folder), folder / "state")


def test_a_policy_that_names_a_detector_without_a_file_is_told(folder: Path) -> None:
    write(folder / "detectors", "another", uses="phone_number_or_address_shared")
    (said,) = problems(folder).values()
    assert "default.yaml: detectors: no file has addresses_here; there are another" in said


@pytest.mark.parametrize("where", ["detectors", "state/detectors"])
def test_one_whose_file_is_there_is_fine_wherever_that_is(folder: Path, where: str) -> None:
    write(folder / where, "addresses_here", uses="phone_number_or_address_shared", enabled=False)
    assert problems(folder) == {}


def test_a_broken_file_in_a_running_mesh_is_named(folder: Path) -> None:
    write(folder / "state/detectors", "broken", uses="nothing")
    assert "state/detectors/broken.yaml: uses: there is no detector 'nothing'" in problems(folder)["detection"]
    (folder / "state/detectors/broken.yaml").unlink()
    (folder / "state/lists/broken.yaml").write_text("id: x")
    assert "state/lists/broken.yaml" in problems(folder)["detection"]


def test_a_calibration_that_the_policy_leaves_behind_is_named_and_is_no_mistake(folder: Path) -> None:
    said = {"when": 'score["hate"] >= limit.hate', "category": "hate"}
    document = POLICY | {"detectors": [], "limits": {"default": {"hate": 0.7}}, "rules": [POLICY["rules"][0] | said]}  # type: ignore[index]
    path = folder / "policies" / "default.yaml"
    path.write_text(yaml.safe_dump(document))
    keep(folder / "state" / "calibrations", calibration(load(path).document))
    assert stale_calibrations(example_topology(folder), folder / "state") == []
    path.write_text(yaml.safe_dump(document | {"limits": {"default": {"hate": 0.8}}}))
    (note,) = stale_calibrations(example_topology(folder), folder / "state")
    assert note.startswith("routing: calibration demo/production/chat does not hold: made for small 1, whose limits")


def test_a_calibration_of_a_running_mesh_that_cannot_be_read_is_named(folder: Path) -> None:
    (folder / "state" / "calibrations").mkdir()
    (folder / "state" / "calibrations" / "bad.yaml").write_text("{}")
    with pytest.raises(Failure, match=r"calibrations/bad\.yaml"):
        stale_calibrations(example_topology(folder), folder / "state")
