"""The evaluation of calibration: which cells there are, and that it tells a limit with a bound from one without."""

from __future__ import annotations

import numpy as np
import pytest

from inference.evaluation.calibration import Cell, cells, compare
from inference.training.data import Line
from services.detection.categories import CATEGORIES


def cell(own: float, positives: int = 0) -> Cell:
    chance = np.random.default_rng(3)
    return Cell("s", "hate", own, chance.random(1200), 0.5 + chance.random(positives) / 2)


def test_the_calibrated_limit_is_surely_over_less_often_than_the_quantile_and_the_own_as_it_deserves() -> None:
    loose, strict = compare(cell(0.5), 0.05, splits=12, seed=1), compare(cell(0.999), 0.05, splits=12, seed=1)
    assert (loose.own.over, strict.own.over, loose.shown) == (1, 0, 1)
    assert loose.own.rate == pytest.approx(0.5, abs=0.05)
    assert loose.calibrated.over <= loose.naive.over
    assert loose.calibrated.rate < loose.naive.rate < 0.07
    assert loose.naive.limit < loose.calibrated.limit < 1


def test_splits_are_seeded() -> None:
    first, second, other = (compare(cell(0.5, 20), 0.01, splits=3, seed=seed) for seed in (1, 1, 2))
    assert (first.naive, first.calibrated) == (second.naive, second.calibrated)
    assert first.naive != other.naive


def test_too_few_labels_keep_the_policy_s_own_limit() -> None:
    found = compare(Cell("s", "hate", 0.5, np.full(400, 0.7), np.empty(0)), 0.01, splits=3, seed=1)
    assert (found.shown, found.calibrated.limit) == (0, 0.5)


def test_a_cell_has_enough_benign_lines_and_the_policy_s_least_sure_limit() -> None:
    hate = CATEGORIES.index("hate")
    labels = [float("nan")] * len(CATEGORIES)

    def line(source: str, label: float) -> Line:
        of_line = list(labels)
        of_line[hate] = label
        return Line("", tuple(of_line), source)

    lines = [line("enough", 0)] * 598 + [line("enough", 1)] * 3 + [line("few", 0)] * 597
    (found,) = cells(lines, np.zeros((len(lines), len(CATEGORIES)), dtype=np.float32))
    assert (found.source, found.category, len(found.benign), len(found.positives)) == ("enough", "hate", 598, 3)
    assert found.own == pytest.approx(0.6)
