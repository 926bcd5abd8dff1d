"""Figures of one category on one set of lines, each with the interval that chance alone explains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]
Labels = NDArray[np.float32]
"""1 and 0; no NaN."""
_RESAMPLES = 200
_BINS = 10
_FEWEST = 5
"""Lines of each kind below which a figure says nothing."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A value, and where 95 % of resamples lie."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """As it stands in a table."""
        return f"{self.value:.3f} [{self.low:.2f}, {self.high:.2f}]"


def enough(labels: Labels) -> bool:
    """Whether there are lines of both kinds to speak of."""
    positives = int(labels.sum())
    return min(positives, len(labels) - positives) >= _FEWEST


def roc_auc(scores: Scores, labels: Labels) -> float:
    """How often a line of the category scores above one that is not; ties count half."""
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks = (last - (counts - 1) / 2)[inverse]
    positives = labels.sum()
    negatives = len(labels) - positives
    return float((ranks[labels == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def pr_auc(scores: Scores, labels: Labels) -> float:
    """Average precision."""
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(labels[order])
    precision = hits / np.arange(1, len(labels) + 1)
    return float((precision * labels[order]).sum() / labels.sum())


def recall_at(false_positives: float) -> Callable[[Scores, Labels], float]:
    """The share that is found when this share of the others is let be wrong."""

    def recall(scores: Scores, labels: Labels) -> float:
        others = np.sort(scores[labels == 0])[::-1]
        bound = others[min(len(others) - 1, int(false_positives * len(others)))]
        return float((scores[labels == 1] > bound).mean())

    return recall


def calibration_error(scores: Scores, labels: Labels) -> float:
    """Expected calibration error over ten bins of equal width."""
    bins = np.minimum((scores * _BINS).astype(int), _BINS - 1)
    gaps = [
        abs(float(scores[bins == one].mean()) - float(labels[bins == one].mean())) * int((bins == one).sum())
        for one in np.unique(bins)
    ]
    return float(sum(gaps) / len(scores))


def with_interval(
    metric: Callable[[Scores, Labels], float], scores: Scores, labels: Labels, *, seed: int = 7
) -> Figure:
    """The metric, and its spread over resamples of positives and negatives apart."""
    random = np.random.default_rng(seed)
    positives, negatives = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    found = []
    for _ in range(_RESAMPLES):
        chosen = np.concatenate([random.choice(positives, len(positives)), random.choice(negatives, len(negatives))])
        found.append(metric(scores[chosen], labels[chosen]))
    low, high = np.percentile(found, [2.5, 97.5])
    return Figure(metric(scores, labels), float(low), float(high))
