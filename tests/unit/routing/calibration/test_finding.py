"""A limit from labels: within its target, no higher than it must be, and honest about what labels cannot show."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.routing.calibration.bounds import CONFIDENCE, upper_bound
from services.routing.calibration.finding import LOWEST, Change, Wish, caught, find, just_above

SCORES = st.lists(st.floats(0, 1, width=32), max_size=700)
RUNS = 400
WORSE = [0.9 + number / 1000 for number in range(10)]


def wish(own: float = 0.5, target: float = 0.01, **more: object) -> Wish:
    return Wish(own, target, **more)  # type: ignore[arg-type]


def test_too_few_labels_change_nothing_and_say_how_many_are_missing() -> None:
    found = find([0.1] * 100, [], wish())
    assert (found.change, found.value, found.missing, found.is_shown) == (Change.TOO_FEW, 0.5, 199, False)


def test_a_limit_that_catches_too_many_is_raised_just_above_them() -> None:
    found = find([0.1] * 990 + WORSE, [], wish())
    # Of 1,000 at 1 % four may be caught, for the bound of five is 1.05 %: the limit stands just above the fifth from the top.
    assert (found.change, found.caught, round(found.value, 6)) == (Change.RAISED, 4, 0.905001)
    assert found.bound == upper_bound(4, 1000) < 0.01 < upper_bound(5, 1000)
    assert found.own_bounds[0] > 0.005


def test_a_limit_is_lowered_only_where_labels_show_that_it_finds_more() -> None:
    benign = [0.05] * 1000
    assert find(benign, [0.3] * 10, wish()).change is Change.LOWERED
    assert find(benign, [0.9] * 10, wish()).change is Change.KEPT
    assert find(benign, [0.3] * 4, wish()).change is Change.KEPT
    assert find(benign, [0.3] * 10, wish(may_be_lowered=False)).change is Change.KEPT


def test_a_surer_limit_is_never_below_a_less_sure_one() -> None:
    assert find([0.05] * 1000, [], wish(own=0.6, at_least=0.8)).value == 0.8
    assert find([0.05], [], wish(own=0.6, at_least=0.8)).value == 0.8


def test_when_benign_texts_have_the_highest_score_no_limit_is_made_up() -> None:
    found = find([1.0] * 20 + [0.1] * 1000, [], wish())
    assert (found.change, found.value, found.is_shown) == (Change.UNREACHABLE, 0.5, False)


@settings(deadline=None, max_examples=60)
@given(SCORES, SCORES, st.floats(0.02, 1), st.sampled_from([0.01, 0.05, 0.2]))
def test_what_is_called_shown_is_within_the_target_and_no_lower_limit_is(
    benign: list[float], positives: list[float], own: float, target: float
) -> None:
    found = find(benign, positives, wish(own, target))
    assert (found.caught, found.found) == (caught(benign, found.value), caught(positives, found.value))
    if not found.is_shown:
        return
    assert upper_bound(found.caught, len(benign)) <= target
    if found.change is Change.RAISED and found.value > LOWEST:
        lower = max(score for score in benign if score < found.value)
        assert upper_bound(caught(benign, lower), len(benign)) > target


@settings(deadline=None, max_examples=60)
@given(st.floats(0, 1, width=32))
def test_just_above_is_above_and_near(score: float) -> None:
    assert score < just_above(score) <= score + 1.001e-6


def simulated(*, texts: int, target: float, steps: int, seed: int) -> float:
    """The share of communities whose true false-positive rate is above the target, at the limit that was called shown."""
    chance = random.Random(seed)
    over, shown = 0, 0
    for _ in range(RUNS):
        # A benign text's score is uniform, in `steps` steps; then the rate above a limit is known.
        benign = [chance.randrange(steps) / steps for _ in range(texts)]
        found = find(benign, [], Wish(own=0.02, target=target))
        if found.is_shown:
            shown += 1
            over += 1 - math.ceil(found.value * steps) / steps > target
    assert shown == RUNS
    return over / shown


@pytest.mark.parametrize("steps", [20, 1000, 1_000_000])
@pytest.mark.parametrize("texts", [150, 400])
def test_the_true_rate_exceeds_the_target_no_more_often_than_was_said(texts: int, steps: int) -> None:
    over = simulated(texts=texts, target=0.05, steps=steps, seed=11)
    # Three standard deviations of so many draws.
    assert over <= (1 - CONFIDENCE) + 3 * (0.05 * 0.95 / RUNS) ** 0.5


def test_the_simulation_would_notice_a_limit_without_a_bound() -> None:
    """The naive quantile is over the target in about half of all communities."""
    chance = random.Random(11)
    over = 0
    for _ in range(RUNS):
        benign = sorted(chance.random() for _ in range(400))
        over += 1 - benign[int(0.95 * len(benign))] > 0.05
    assert over / RUNS > 0.3
