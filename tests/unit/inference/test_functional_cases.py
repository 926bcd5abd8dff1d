"""What the cascade makes of lines written here: the promises that hold on lines nobody trained or tuned on."""

from __future__ import annotations

import itertools

import pytest

from inference.evaluation import cases, scoring
from inference.training import templates
from services.detection.normalise import normalise
from tools.bench.texts import lines as chat_lines


def right(half: str) -> float:
    found = cases.functional(half)
    fired = cases.acted(scoring.cascade([case.text for case in found]).signals)
    return sum(bool(rules) == case.act for case, rules in zip(found, fired, strict=True)) / len(found)


@pytest.mark.parametrize(("half", "share"), [("dev", 0.9), ("test", 0.9)])
def test_most_cases_are_right(half: str, share: float) -> None:
    """Of both halves; nothing is tuned on the second."""
    assert right(half) >= share


def test_benign_game_chat_is_left_alone() -> None:
    found = cases.benign_chat()
    scored = scoring.cascade([case.text for case in found])
    wrong = [case.text for case, rules in zip(found, cases.acted(scored.signals), strict=True) if rules]
    assert len(wrong) <= 0.02 * len(found), wrong


@pytest.mark.parametrize("english", [True, False])
def test_the_deep_tier_is_not_asked_about_most_chat(english: bool) -> None:  # noqa: FBT001
    chat = [case.text for case in cases.benign_chat() if (case.kind == "en") is english]
    assert scoring.cascade(chat).deep_share <= 0.4


def test_the_deep_tier_is_asked_about_a_sixth_of_the_chat_that_the_bench_makes_up() -> None:
    chat = list(itertools.islice(chat_lines(7), 2000))
    assert scoring.cascade(chat).deep_share <= 0.17


def test_no_case_is_a_training_line() -> None:
    trained = {line.text for line in templates.lines(1)}
    written = [*cases.functional("dev"), *cases.functional("test"), *cases.benign_chat()]
    assert [case.text for case in written if normalise(case.text).text in trained] == []
