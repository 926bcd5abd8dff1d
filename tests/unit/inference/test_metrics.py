"""The figures, on lines whose figures are known."""

from __future__ import annotations

import numpy as np
import pytest

from inference.evaluation.metrics import calibration_error, enough, pr_auc, recall_at, roc_auc, with_interval

LABELS = np.asarray([0, 0, 0, 0, 1, 1], np.float32)


def test_a_perfect_order_has_area_one() -> None:
    scores = np.asarray([0.1, 0.2, 0.3, 0.4, 0.8, 0.9], np.float32)
    assert roc_auc(scores, LABELS) == 1
    assert pr_auc(scores, LABELS) == 1
    assert recall_at(0.01)(scores, LABELS) == 1


def test_ties_count_half() -> None:
    assert roc_auc(np.ones(6, np.float32), LABELS) == pytest.approx(0.5)


def test_recall_lets_only_so_many_be_wrong() -> None:
    scores = np.asarray([0.1, 0.2, 0.3, 0.85, 0.8, 0.9], np.float32)
    assert recall_at(0.0)(scores, LABELS) == pytest.approx(0.5)
    assert recall_at(0.25)(scores, LABELS) == 1


def test_calibration_is_off_by_what_it_is_off() -> None:
    scores = np.full(6, 0.5, np.float32)
    assert calibration_error(scores, LABELS) == pytest.approx(0.5 - 2 / 6, abs=1e-6)


def test_an_interval_holds_its_value() -> None:
    random = np.random.default_rng(1)
    labels = (random.random(400) < 0.3).astype(np.float32)
    scores = (labels * 0.3 + random.random(400)).astype(np.float32)
    figure = with_interval(roc_auc, scores, labels)
    assert figure.low <= figure.value <= figure.high
    assert figure.high - figure.low < 0.2


def test_few_lines_are_not_enough() -> None:
    assert not enough(LABELS)
