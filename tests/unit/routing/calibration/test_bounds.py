"""Bounds of a rate: by values known in closed form, and by what a bound is."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.routing.calibration.bounds import (
    at_most,
    is_surely_above,
    lower_bound,
    most_hits,
    trials_needed,
    upper_bound,
)

COUNTS = st.integers(1, 120).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials)))


def exactly_at_most(hits: int, trials: int, rate: Fraction) -> Fraction:
    return sum(
        (math.comb(trials, one) * rate**one * (1 - rate) ** (trials - one) for one in range(hits + 1)), Fraction(0)
    )


@pytest.mark.parametrize("trials", [1, 10, 298, 299, 5000])
def test_without_a_hit_the_bound_has_a_closed_form(trials: int) -> None:
    assert upper_bound(0, trials) == pytest.approx(1 - 0.05 ** (1 / trials), rel=1e-9)


@pytest.mark.parametrize("trials", [1, 10, 300])
def test_with_nothing_but_hits_the_bounds_have_a_closed_form(trials: int) -> None:
    assert upper_bound(trials, trials) == 1
    assert lower_bound(trials, trials) == pytest.approx(0.05 ** (1 / trials), rel=1e-9)


def test_published_values() -> None:
    """Of 10 trials 1 and 5 hits, one-sided 95 %: the 0.95 quantiles of Beta(2, 9) and Beta(6, 5)."""
    assert upper_bound(1, 10) == pytest.approx(0.39416, abs=1e-5)
    assert upper_bound(5, 10) == pytest.approx(0.77756, abs=1e-5)


@settings(deadline=None, max_examples=40)
@given(COUNTS, st.sampled_from([0.8, 0.95, 0.99]))
def test_at_the_bound_so_few_hits_are_just_as_rare_as_was_said(counts: tuple[int, int], confidence: float) -> None:
    hits, trials = counts
    bound = upper_bound(hits, trials, confidence)
    if hits == trials:
        assert bound == 1
        return
    exact = exactly_at_most(hits, trials, Fraction(bound))
    assert float(exact) == pytest.approx(1 - confidence, rel=1e-6)


@settings(deadline=None, max_examples=40)
@given(COUNTS)
def test_the_bounds_are_on_either_side_of_what_was_seen(counts: tuple[int, int]) -> None:
    hits, trials = counts
    assert lower_bound(hits, trials) <= hits / trials <= upper_bound(hits, trials)


@settings(deadline=None, max_examples=60)
@given(COUNTS, st.sampled_from([0.001, 0.01, 0.05, 0.3]))
def test_surely_above_is_a_lower_bound_above_the_rate(counts: tuple[int, int], rate: float) -> None:
    hits, trials = counts
    assert is_surely_above(hits, trials, rate) == (lower_bound(hits, trials) > rate)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 1000), st.sampled_from([0.001, 0.01, 0.05, 0.3]))
def test_the_most_hits_are_those_whose_bound_is_within_the_rate(trials: int, rate: float) -> None:
    most = most_hits(trials, rate)
    assert most == -1 or upper_bound(most, trials) <= rate
    assert most == trials or upper_bound(most + 1, trials) > rate


@pytest.mark.parametrize(("rate", "needed"), [(0.01, 299), (0.05, 59), (0.001, 2995)])
def test_so_many_trials_are_needed_and_not_one_less(rate: float, needed: int) -> None:
    assert trials_needed(rate) == needed
    assert (most_hits(needed - 1, rate), most_hits(needed, rate)) == (-1, 0)


def test_the_chance_of_at_most_so_many_hits_is_exact() -> None:
    for hits in (0, 3, 7, 20):
        exact = float(exactly_at_most(hits, 200, Fraction(3, 100)))
        assert at_most(hits, 200, 0.03) == pytest.approx(exact, rel=1e-10)
    assert (at_most(0, 5, 0.0), at_most(4, 5, 1.0), at_most(5, 5, 1.0)) == (1, 0, 1)


@pytest.mark.parametrize("counts", [(-1, 5), (6, 5)])
def test_counts_that_cannot_be_are_refused(counts: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        upper_bound(*counts)
