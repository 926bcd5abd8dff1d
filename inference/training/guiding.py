"""The dev half of the functional cases as labelled lines: they may guide how the tiers are put together, as dev rows do. The
test half is not read here, or anywhere but by the evaluation."""

from __future__ import annotations

from pathlib import Path

import yaml

from inference.training.data import Line
from services.detection.categories import CATEGORIES
from services.detection.normalise import normalise

SOURCE = "functional_dev"
_FILE = Path(__file__).resolve().parents[1] / "evaluation" / "cases" / "dev.yaml"
_UNKNOWN = float("nan")
_OF_KIND = {
    "identity_hate": {"toxicity": 1.0, "hate": 1.0},
    "threat": {"toxicity": 1.0, "violence.threat": 1.0},
    "insult": {"toxicity": 1.0, "harassment.insult": 1.0},
    "self_harm": {"self_harm": 1.0},
    "spam": {"integrity.spam": 1.0},
    "sexual": {"sexual": 1.0},
    "evasions": {"toxicity": 1.0},
    "emoji": {"toxicity": 1.0},
    "other_languages_act": {"toxicity": 1.0},
}
"""What is known of the kinds that should be acted on; of the others, that they are nothing."""


def lines() -> list[Line]:
    """All of them."""
    document = yaml.safe_load(_FILE.read_text())
    return [
        Line(normalise(text).text, _labels(kind), SOURCE) for kind, group in document.items() for text in group["cases"]
    ]


def _labels(kind: str) -> tuple[float, ...]:
    if kind not in _OF_KIND:
        return (0.0,) * len(CATEGORIES)
    known = _OF_KIND[kind]
    return tuple(known.get(category, _UNKNOWN) for category in CATEGORIES)
