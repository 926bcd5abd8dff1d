"""Which lines the deep tier is asked about, and what the tiers say together. Pure."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from services.detection.categories import CATEGORIES


class Deep(StrEnum):
    """When the deep tier is asked."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


_UNSURE_FROM = np.asarray([0.5 if category == "toxicity" else 0.3 for category in CATEGORIES], dtype=np.float32)
_UNSURE_TO = 0.98
"""Between these the fast tier may be wrong in a way that changes a verdict. Toxicity by itself acts late (0.9 in the default
policy): from below 0.5 the deep tier would have to be surer than 0.97 to get there."""
_WEIGHT = 0.6
"""Of the deep tier where both speak, in log-odds."""
_UNREADABLE_SHARE = 0.5
_SECOND_LOOK = np.asarray([category != "platform.profanity" for category in CATEGORIES])
"""Swearing is a matter of words: lists and the fast tier settle it."""


def unsure(fast: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which lines need the deep tier. `fast`: [lines, categories]."""
    between = (fast > _UNSURE_FROM) & (fast < _UNSURE_TO) & _SECOND_LOOK
    found: NDArray[np.bool_] = between.any(axis=1)
    return found


def readable(text: str) -> bool:
    """Whether the deep tier's vocabulary covers the text: it knows Latin script."""
    ascii_letters = sum("a" <= character <= "z" for character in text)
    letters = sum(map(str.isalpha, text))
    return letters > 0 and ascii_letters >= _UNREADABLE_SHARE * letters


def together(fast: NDArray[np.float32], deep: NDArray[np.float32]) -> NDArray[np.float32]:
    """Both tiers' calibrated probabilities as one: a weighted mean of their log-odds."""
    return _expit(_WEIGHT * _logit(deep) + (1 - _WEIGHT) * _logit(fast))


def _logit(probability: NDArray[np.float32]) -> NDArray[np.float32]:
    clipped = np.clip(probability, 1e-6, 1 - 1e-6)
    logit: NDArray[np.float32] = np.log(clipped / (1 - clipped)).astype(np.float32)
    return logit


def _expit(logit: NDArray[np.float32]) -> NDArray[np.float32]:
    return (1 / (1 + np.exp(-logit))).astype(np.float32)
