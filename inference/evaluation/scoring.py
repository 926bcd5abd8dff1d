"""Scores lines as `moat score` does, by the service's own cascade, and by what it is held against."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from moat.detection.v1 import signals_pb2
from numpy.typing import NDArray

from inference.evaluation.cases import ROOT
from services.detection.categories import CATEGORIES
from services.detection.fast_tier import FastTier
from services.detection.normalise import normalise
from services.detection.settings import DetectionSettings
from services.detection.wiring import scorer_in_process
from tools.cli.score import score_texts

PROTOTYPE = ROOT / "inference" / "weights" / "fast_text" / "1"
_TOGETHER = 512
_TOX_BLOCK = Path(__file__).with_name("tox_block_in_numpy.py")
_PROFANITY_CHECK = """
import json, sys
from profanity_check import predict_prob
texts = json.load(open(sys.argv[1]))
json.dump([float(p) for p in predict_prob(texts)], open(sys.argv[2], "w"))
"""


@dataclass(frozen=True, slots=True)
class Scored:
    """What the cascade made of a list of lines."""

    signals: list[signals_pb2.Signals]
    scores: NDArray[np.float32]
    """[lines, categories]"""
    deep_share: float
    """Of the lines, those that the deep tier was asked about."""


def cascade(texts: Sequence[str]) -> Scored:
    """Both tiers as the service runs them, in this process."""
    signals = asyncio.run(_signals(texts))
    scores = np.zeros((len(texts), len(CATEGORIES)), dtype=np.float32)
    for row, one in enumerate(signals):
        for score in one.scores:
            scores[row, CATEGORIES.index(score.category)] = score.probability
    asked = sum(one.tiers[-1].reason != "decided" for one in signals)
    return Scored(signals, scores, asked / max(1, len(texts)))


async def _signals(texts: Sequence[str]) -> list[signals_pb2.Signals]:
    scorer = scorer_in_process(DetectionSettings(), threads=2)
    found: list[signals_pb2.Signals] = []
    for start in range(0, len(texts), _TOGETHER):
        found += [one.signals for one in await score_texts(scorer, list(texts[start : start + _TOGETHER]))]
    return found


def prototype(texts: Sequence[str]) -> NDArray[np.float32]:
    """The fast tier that came before, by its own weights."""
    model = FastTier.load(PROTOTYPE)
    lines = [normalise(text).text for text in texts]
    return np.concatenate([model.probabilities(lines[i : i + _TOGETHER]) for i in range(0, len(lines), _TOGETHER)])


def profanity_check(python: Path, texts: Sequence[str]) -> NDArray[np.float32]:
    """`alt-profanity-check`, [texts]: one score for whatever is offensive, by a Python that has it installed."""
    return _elsewhere([str(python), "-c", _PROFANITY_CHECK], texts)


def tox_block(python: Path, texts: Sequence[str]) -> NDArray[np.float32]:
    """`tox-block`, [texts, 6]: toxic, severe, obscene, threat, insult, hate; by a Python that has its weights and h5py."""
    return _elsewhere([str(python), str(_TOX_BLOCK)], texts)


def _elsewhere(command: Sequence[str], texts: Sequence[str]) -> NDArray[np.float32]:
    """Raises RuntimeError when the other Python cannot do it."""
    with tempfile.TemporaryDirectory() as folder:
        given, answered = Path(folder) / "texts.json", Path(folder) / "scores.json"
        given.write_text(json.dumps(list(texts)))
        done = subprocess.run([*command, given, answered], capture_output=True, text=True, check=False)
        if done.returncode:
            sys.stderr.write(done.stderr[-500:])
            raise RuntimeError(f"{command[0]} has not what is to be measured; see inference/evaluation")
        return np.asarray(json.loads(answered.read_text()), dtype=np.float32)
