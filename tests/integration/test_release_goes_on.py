"""Training goes on from what is served: the encoder that comes out of a release says what the release says."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from services.detection.settings import DetectionSettings
from services.detection.windows import Windows, padded

ROOT = Path(__file__).resolve().parents[2]
TRAIN = ROOT / ".moat" / "envs" / "train" / "bin" / "python"
SCRIPT = """
import json, sys, torch
from pathlib import Path
from inference.training import deep
trained = deep.go_on(Path(sys.argv[1]), sys.argv[2])
ids = torch.tensor(json.loads(sys.argv[3]))
with torch.no_grad():
    print(json.dumps(trained.model.eval()(ids, (ids != 0).long()).tolist()))
"""
TEXTS = (
    "gg well played",
    "you are a stupid idiot",
    "ich werde dich finden und töten",
    "여자는 다 멍청해",
    "cheap gold at http://link",
)


@pytest.mark.skipif(not TRAIN.exists(), reason="needs `make setup-train`")
def test_a_release_goes_on_as_what_it_serves() -> None:
    release = DetectionSettings().live_release()
    ids = padded([windows[0] for windows in Windows(release.tokenizer).of(TEXTS)], 32)
    session = onnxruntime.InferenceSession(str(release.model))
    (served,) = session.run(None, {"input_ids": ids, "attention_mask": (ids != 0).astype(np.int64)})
    command = [str(TRAIN), "-c", SCRIPT, str(release.model.parents[1]), release.deep_version, json.dumps(ids.tolist())]
    logits = np.asarray(json.loads(subprocess.run(command, capture_output=True, check=True, cwd=ROOT).stdout))
    odds = np.log(served / (1 - served))
    for column in range(logits.shape[1]):
        # Calibration is a straight line of each category's own; activations are narrowed where it is served.
        slope, shift = np.polyfit(logits[:, column], odds[:, column], 1)
        assert slope > 0
        assert np.abs(slope * logits[:, column] + shift - odds[:, column]).max() < 0.3
