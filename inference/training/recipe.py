"""How often the deep tier sees which lines. Large sources are capped, so that the rest is heard; small ones come twice."""

from __future__ import annotations

from collections.abc import Sequence

from inference.training.data import Line, capped
from inference.training.deep import Stage

_FIRST = {"davidson": 9000, "cold": 13000, "offenseval_tr": 13000, "convai_templates": 2500, "mlma": 5000, "sms_spam": 3000,
          "*": 100_000}  # fmt: skip
_SECOND = {
    "davidson": 3000, "cold": 4000, "offenseval_tr": 3500, "convai_templates": 1200, "mlma": 2200, "sms_spam": 900,
    "youtube_spam": 500, "civil_spans": 3000, "germeval2018": 2400, "pl_cbd": 2000, "misogyny": 1600, "hatemoji_build": 4000,
    "ru_distorted": 1200, "*": 100_000,
}  # fmt: skip
_TWICE = frozenset(
    ("hatemoji_build", "openai_mod", "hatexplain", "ru_distorted", "es_goldstd", "id_social", "ja_toxic", "surge", "misogyny",
     "convabuse")
)  # fmt: skip


def stages(labelled: Sequence[Line], written: Sequence[Line], seed: int) -> list[Stage]:
    """Labelled lines; then written ones among a fresh sample of labelled ones."""
    first = capped(labelled, _FIRST, seed)
    first += [line for line in first if line.source in _TWICE]
    second = [*capped(labelled, _SECOND, seed + 1), *written]
    return [Stage(first, 1.0, 1.0, 0.35), Stage(second, 1.0, 0.6, 0.02)]
