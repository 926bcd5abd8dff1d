"""How often the deep tier sees which lines. Large sources are capped, so that the rest is heard; small ones come often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from inference.training.data import Line, capped
from inference.training.fitting import Stage

_FIRST = {"davidson": 9000, "cold": 13000, "offenseval_tr": 13000, "convai_templates": 2500, "mlma": 5000, "sms_spam": 3000,
          "*": 100_000}  # fmt: skip
_SECOND = {
    "davidson": 3000, "cold": 4000, "offenseval_tr": 3500, "convai_templates": 1200, "mlma": 2200, "sms_spam": 900,
    "youtube_spam": 500, "civil_spans": 3000, "germeval2018": 2400, "pl_cbd": 2000, "misogyny": 1600, "hatemoji_build": 4000,
    "ru_distorted": 1200, "*": 100_000,
}  # fmt: skip
_THIRD = {
    "davidson": 5000, "cold": 6000, "offenseval_tr": 5500, "convai_templates": 1200, "mlma": 6000, "sms_spam": 1000,
    "youtube_spam": 800, "civil_spans": 6500, "germeval2018": 6000, "pl_cbd": 4000, "*": 100_000,
}  # fmt: skip
_AGAIN_FIRST = dict.fromkeys(
    ("hatemoji_build", "openai_mod", "hatexplain", "ru_distorted", "es_goldstd", "id_social", "ja_toxic", "surge", "misogyny",
     "convabuse"), 1,
)  # fmt: skip
_AGAIN_THIRD = {
    "hatemoji_build": 1, "openai_mod": 1, "hatexplain": 2, "ru_distorted": 1, "es_goldstd": 1, "id_social": 2, "ja_toxic": 2,
    "surge": 1, "convabuse": 1,
}  # fmt: skip
"""Of small sources: how many times more."""
_FROZEN = 2
_FAR = 0.85
"""Chosen on dev rows and the dev half of the cases."""


def stages(labelled: Sequence[Line], written: Sequence[Line], seed: int) -> list[Stage]:
    """Labelled lines; written ones among a fresh sample of labelled ones; both again, gently."""
    first = _often(capped(labelled, _FIRST, seed), _AGAIN_FIRST)
    second = [*capped(labelled, _SECOND, seed + 1), *written]
    return [Stage(first, 1.0, 1.0, 0.35), Stage(second, 1.0, 0.6, 0.02), last(labelled, written, seed)]


def last(labelled: Sequence[Line], written: Sequence[Line], seed: int) -> Stage:
    """What a release goes on with: more of the labelled lines than of the written, so that nothing is forgotten for the
    sake of contrasts, and the lowest layers left alone, so that what is learned in one language holds in others."""
    lines = [*_often(capped(labelled, _THIRD, seed + 2), _AGAIN_THIRD), *written]
    return Stage(lines, 1.0, 0.5, 0.02, frozen_layers=_FROZEN, far=_FAR)


def _often(lines: Sequence[Line], again: Mapping[str, int]) -> list[Line]:
    return [line for line in lines for _ in range(1 + again.get(line.source, 0))]
