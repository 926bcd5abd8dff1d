"""The cascade's arithmetic: who is asked, and that one scale holds for lines that were and were not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from services.detection.cascade import Cascade, held
from services.detection.categories import CATEGORIES
from services.detection.settings import DetectionSettings

COUNT = len(CATEGORIES)


def cascade() -> Cascade:
    return Cascade(
        second_look_from=0.5,
        unsure_from=np.full(COUNT, 0.4, np.float32),
        long_from=100,
        long_from_elsewhere=50,
        alone=np.tile(np.asarray([1.0, 0.0], np.float32), (COUNT, 1)),
        together=np.tile(np.asarray([0.5, 0.5, 0.0], np.float32), (COUNT, 1)),
    )


def heads(doubt: float = 0.0, **scores: float) -> NDArray[np.float32]:
    row = np.full(COUNT + 1, 0.01, np.float32)
    for category, score in scores.items():
        row[CATEGORIES.index(category)] = score
    row[-1] = doubt
    return row[None]


def wanted(row: NDArray[np.float32], language: str = "en", length: int = 20) -> bool:
    return bool(cascade().wanted(row, [language], [length])[0])


def test_what_is_clear_is_not_asked_about() -> None:
    assert not wanted(heads())


def test_doubt_asks_even_when_every_score_is_low() -> None:
    assert wanted(heads(doubt=0.6))


def test_a_score_that_a_verdict_may_hang_on_asks() -> None:
    assert wanted(heads(hate=0.45))


@pytest.mark.parametrize(
    ("language", "length", "asked"),
    [("en", 60, False), ("und", 60, False), ("pl", 60, True), ("pl", 40, False), ("en", 100, True)],
)
def test_a_long_line_is_always_asked_about_and_sooner_in_other_languages(
    language: str,
    length: int,
    asked: bool,  # noqa: FBT001
) -> None:
    assert wanted(heads(), language, length) is asked


@pytest.mark.parametrize(("text", "letters"), [("hello", 5), ("привет", 6), ("你好", 6), ("한국 gg", 9), ("", 0)])
def test_a_sign_that_stands_for_a_syllable_or_a_word_holds_more(text: str, letters: int) -> None:
    assert held(text) == letters


def test_alone_the_fast_tier_says_what_it_says() -> None:
    assert cascade().of_fast(heads(hate=0.3))[0, CATEGORIES.index("hate")] == pytest.approx(0.3, abs=1e-4)


def test_together_they_meet_in_log_odds() -> None:
    deep = np.full(COUNT, 0.9, np.float32)
    both = cascade().of_both(heads(hate=0.1)[0], deep)
    assert both[CATEGORIES.index("hate")] == pytest.approx(0.5, abs=1e-4)


def test_more_evidence_never_means_less_in_what_is_served() -> None:
    served = Cascade.load(DetectionSettings().live_release().fast_text)
    assert (served.alone[:, 0] >= 0).all()
    assert (served.together[:, :2] >= 0).all()
