"""Gauges of drift: of calibrated places alone, once enough was seen, gone with their calibration."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prometheus_client import REGISTRY

from services.routing.calibration.applying import Calibrations
from services.routing.calibration.document import Calibration
from services.routing.calibration.histogram import ACT, WATCH
from services.routing.calibration.watching import Watcher
from tests.support.calibrations import calibration, scored
from tests.unit.routing.test_policy import policy

DECIDER = policy()
PLACE = {"tenant": "watched", "environment": "production", "surface": "chat"}
BENIGN = tuple((0.05, 0.15, 0.25, 0.75)[number % 4] for number in range(400))


def made(target: float = 0.3) -> Calibration:
    return calibration(DECIDER.document, benign=BENIGN, tenant="watched", target=target)


def gauge(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, PLACE | labels)


def see(watcher: Watcher, one: Calibration, scores: list[float]) -> None:
    for score in scores:
        watcher.see(scored(score, tenant="watched"), one.reference_name)


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    """Its gauges are the process's: they go with it, or the next test would see them."""
    one = Watcher(block=100, blocks=2)
    yield one
    one.change(Calibrations())


def test_the_share_that_is_expected_is_told_at_once_and_drift_when_enough_was_seen(watcher: Watcher) -> None:
    one = made()
    watcher.change(Calibrations([one], DECIDER.document))
    assert gauge("routing_limit_expected_share", limit="hate") == pytest.approx(0.25)
    see(watcher, one, list(BENIGN[:199]))
    assert gauge("routing_score_drift_psi", category="hate") is None
    see(watcher, one, list(BENIGN[199:200]))
    drift = gauge("routing_score_drift_psi", category="hate")
    assert drift is not None
    assert 0 <= drift < WATCH
    assert gauge("routing_limit_crossed_share", limit="hate") == pytest.approx(0.25)


def test_what_was_long_ago_is_forgotten(watcher: Watcher) -> None:
    one = made()
    watcher.change(Calibrations([one], DECIDER.document))
    see(watcher, one, list(BENIGN[:200]))
    see(watcher, one, [0.75] * 200)
    drift = gauge("routing_score_drift_psi", category="hate")
    assert drift is not None
    assert drift > ACT
    assert gauge("routing_limit_crossed_share", limit="hate") == 1


def test_a_reading_that_changes_nothing_keeps_what_was_counted(watcher: Watcher) -> None:
    one = made()
    watcher.change(Calibrations([one], DECIDER.document))
    see(watcher, one, list(BENIGN[:150]))
    watcher.change(Calibrations([made()], DECIDER.document))
    see(watcher, one, list(BENIGN[150:200]))
    assert gauge("routing_limit_crossed_share", limit="hate") == pytest.approx(0.25)


def test_gauges_go_with_their_calibration(watcher: Watcher) -> None:
    one = made()
    watcher.change(Calibrations([one], DECIDER.document))
    see(watcher, one, list(BENIGN[:200]))
    watcher.change(Calibrations())
    assert gauge("routing_score_drift_psi", category="hate") is None
    assert gauge("routing_limit_expected_share", limit="hate") is None
    see(watcher, one, list(BENIGN[:200]))
    assert gauge("routing_score_drift_psi", category="hate") is None


def test_a_new_calibration_of_the_same_place_starts_anew_and_keeps_its_gauges(watcher: Watcher) -> None:
    first, second = made(), made(target=0.4)
    watcher.change(Calibrations([first], DECIDER.document))
    see(watcher, first, [0.75] * 200)
    watcher.change(Calibrations([second], DECIDER.document))
    assert gauge("routing_score_drift_psi", category="hate") is None
    assert gauge("routing_limit_expected_share", limit="hate") is not None


def test_pictures_and_texts_of_other_models_are_not_counted(watcher: Watcher) -> None:
    one = made()
    watcher.change(Calibrations([one], DECIDER.document))
    picture = scored(0.9, tenant="watched")
    picture.signals.image.pdq_quality = 100
    for _ in range(200):
        watcher.see(picture, one.reference_name)
        watcher.see(scored(0.9, tenant="watched", fast_text="f2"), one.reference_name)
        watcher.see(scored(0.9), "")
    assert gauge("routing_limit_crossed_share", limit="hate") is None
