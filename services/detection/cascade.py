"""Which lines the deep tier is asked about, and what the tiers say together. Pure; the numbers are learned."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.detection.categories import CATEGORIES

_AT_HOME = frozenset(("en", "und"))
"""Lines whose language cannot be told are mostly too short for it, and many of them are English."""

_DENSE = re.compile("[\u2e80-\u9fff\uac00-\ud7a3\uf900-\ufaff]")
_DENSE_HOLDS = 3
"""A sign of Chinese, Japanese or Korean says about as much as so many letters."""


def held(text: str) -> int:
    """How much a line holds, in letters of an alphabet."""
    return len(text) if text.isascii() else len(text) + (_DENSE_HOLDS - 1) * len(_DENSE.findall(text))


class Deep(StrEnum):
    """When the deep tier is asked."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Cascade:
    """What training found out about the tiers on lines that neither was trained on."""

    second_look_from: float
    """From this much of the fast tier's own doubt on, the deep tier is asked."""
    unsure_from: NDArray[np.float32]
    """[categories]: from this much on, whatever the doubt: a verdict may hang on it."""
    long_from: int
    """Lines that hold so much (`held`) are always asked about: words thin out in them, and they are rare in a chat."""
    long_from_elsewhere: int
    """The same in languages other than English, which the fast tier knows less well."""
    alone: NDArray[np.float32]
    """[categories, 2]: slope and shift of the fast tier's log-odds where it decides alone."""
    together: NDArray[np.float32]
    """[categories, 3]: weights of the fast and the deep tier's log-odds, and a shift, where both speak."""

    @classmethod
    def load(cls, folder: Path) -> Cascade:
        """Reads `folder/cascade.json`. Raises KeyError for a category that it does not name."""
        document = json.loads((folder / "cascade.json").read_text())
        learned = [document["categories"][category] for category in CATEGORIES]
        return cls(
            float(document["second_look_from"]),
            np.asarray([one["unsure_from"] for one in learned], dtype=np.float32),
            int(document["long_from"]),
            int(document["long_from_elsewhere"]),
            np.asarray([one["alone"] for one in learned], dtype=np.float32),
            np.asarray([one["together"] for one in learned], dtype=np.float32),
        )

    def wanted(self, fast: NDArray[np.float32], languages: Sequence[str], lengths: Sequence[int]) -> NDArray[np.bool_]:
        """Which lines need the deep tier. `fast`: [lines, heads], the last one being the second look; of each line its
        language and how much it holds (`held`)."""
        at_home = np.asarray([language in _AT_HOME for language in languages], dtype=bool)
        found: NDArray[np.bool_] = (
            (fast[:, :-1] >= self.unsure_from).any(axis=1)
            | (fast[:, -1] >= self.second_look_from)
            | (np.asarray(lengths) >= np.where(at_home, self.long_from, self.long_from_elsewhere))
        )
        return found

    def of_fast(self, fast: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities where the fast tier decides alone. `fast`: [..., heads]; returns [..., categories]."""
        return _expit(_logit(fast[..., :-1]) * self.alone[:, 0] + self.alone[:, 1])

    def of_both(self, fast: NDArray[np.float32], deep: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities where both speak: a weighted sum of their log-odds."""
        weights = self.together
        return _expit(_logit(fast[..., :-1]) * weights[:, 0] + _logit(deep) * weights[:, 1] + weights[:, 2])


def _logit(probability: NDArray[np.float32]) -> NDArray[np.float32]:
    clipped = np.clip(probability, 1e-5, 1 - 1e-5)
    logit: NDArray[np.float32] = np.log(clipped / (1 - clipped)).astype(np.float32)
    return logit


def _expit(logit: NDArray[np.float32]) -> NDArray[np.float32]:
    return (1 / (1 + np.exp(-logit))).astype(np.float32)
