"""What the guide shows can be copied as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from services.detection.detectors.loading import load
from services.detection.detectors.registry import DETECTORS
from services.detection.settings import DetectionSettings
from services.routing.document import PolicyDocument
from services.routing.policy import Policy
from tools.launcher.home import ROOT

GUIDE = (ROOT / "docs" / "guides" / "writing-a-detector.md").read_text()
FILE, POLICY = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)


def test_the_file_that_it_shows_switches_a_detector_on(tmp_path: Path) -> None:
    (tmp_path / "copied.yaml").write_text(FILE)
    (one,) = load(DETECTORS, tmp_path)
    assert one.document.enabled
    assert set(yaml.safe_load(FILE)) == set(type(one.document).model_fields) - {"max_characters"}


def test_the_policy_that_it_shows_holds_its_test() -> None:
    rest = {"name": "copied", "version": "1", "limits": {"default": {}}, "missing": {"default": {}}}
    Policy(PolicyDocument.model_validate(rest | yaml.safe_load(POLICY)))


def test_every_detector_and_every_file_to_copy_is_in_it() -> None:
    assert [name for name in DETECTORS if name not in GUIDE] == []
    files = sorted(path.name for path in DetectionSettings().detectors.glob("*.yaml"))
    assert [name for name in files if name not in GUIDE] == []
