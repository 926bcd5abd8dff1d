"""Counts of scores, and how far two are apart."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.routing.calibration.histogram import ACT, EDGES, STEPS, WATCH, counted, ks, psi

COUNTS = st.lists(st.integers(0, 5000), min_size=STEPS, max_size=STEPS)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1)))
def test_every_score_has_its_step(scores: list[float]) -> None:
    counts = counted(scores)
    assert (len(counts), sum(counts)) == (STEPS, len(scores))


def test_an_edge_belongs_to_the_step_above_it() -> None:
    assert counted([0.0, EDGES[0], 1.0]) == [1, 1, *[0] * (STEPS - 3), 1]


def test_psi_is_what_its_formula_says() -> None:
    """Halves against a quarter and three, in numbers so great that what is added to each does not show."""
    first, second = [500_000] * 2 + [0] * (STEPS - 2), [250_000, 750_000] + [0] * (STEPS - 2)
    assert psi(first, second) == pytest.approx(-0.25 * math.log(0.5) + 0.25 * math.log(1.5), abs=1e-3)
    assert ks(first, second) == pytest.approx(0.25)


@settings(deadline=None)
@given(COUNTS, COUNTS)
def test_distances_are_none_between_the_same_and_do_not_hang_on_the_order(one: list[int], other: list[int]) -> None:
    assert psi(one, one) == ks(one, one) == 0
    assert psi(one, other) == pytest.approx(psi(other, one))
    assert psi(one, other) >= 0
    assert 0 <= ks(one, other) <= 1


def test_two_samples_of_one_community_are_steady_and_another_one_is_not() -> None:
    chance = random.Random(5)

    def sample(mean: float) -> list[int]:
        return counted([min(1.0, max(0.0, chance.gauss(mean, 0.2))) for _ in range(1000)])

    assert psi(sample(0.2), sample(0.2)) < WATCH
    assert psi(sample(0.2), sample(0.4)) > ACT
