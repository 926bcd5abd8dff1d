"""Makes scores mean what they say: Platt's scaling, a category at a time, on lines that were not trained on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_STEPS = 200
_PRIOR = 1e-3


def platt(logits: NDArray[np.float32], labels: NDArray[np.float32]) -> NDArray[np.float32]:
    """[categories, 2] of slope and shift, so that sigmoid(slope * logit + shift) is a probability; Newton's method.

    A category without both kinds of labels keeps slope 1 and shift 0.
    """
    found = np.tile(np.asarray([1.0, 0.0], dtype=np.float64), (logits.shape[1], 1))
    for column in range(logits.shape[1]):
        known = ~np.isnan(labels[:, column])
        target = labels[known, column].astype(np.float64)
        if not 0 < target.sum() < len(target):
            continue
        inputs = np.stack([logits[known, column].astype(np.float64), np.ones(known.sum())], axis=1)
        weights = found[column]
        for _ in range(_STEPS):
            probability = 1 / (1 + np.exp(-np.clip(inputs @ weights, -30, 30)))
            gradient = inputs.T @ (probability - target) + _PRIOR * (weights - [1, 0])
            curvature = (inputs * (probability * (1 - probability))[:, None]).T @ inputs + _PRIOR * np.eye(2)
            step = np.linalg.solve(curvature, gradient)
            weights = weights - np.clip(step, -1, 1)
            if np.abs(step).max() < 1e-8:  # noqa: PLR2004 - converged
                break
        found[column] = weights
    return found.astype(np.float32)


def auc(scores: NDArray[np.float32], labels: NDArray[np.float32]) -> float:
    """Area under the ROC curve of one category (rank sum); NaN without both kinds of labels."""
    known = ~np.isnan(labels)
    scores, labels = scores[known], labels[known]
    positives = labels.sum()
    negatives = len(labels) - positives
    if not positives or not negatives:
        return float("nan")
    order = np.argsort(scores, kind="stable")
    ranks = np.empty(len(scores))
    ranks[order] = np.arange(1, len(scores) + 1)
    values, inverse = np.unique(scores, return_inverse=True)
    mean_rank = np.bincount(inverse, ranks) / np.bincount(inverse)
    del values
    return float((mean_rank[inverse][labels == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives))
