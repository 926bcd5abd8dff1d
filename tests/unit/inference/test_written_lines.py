"""The lines written for training: all that is in the files is used, and is labelled as its kind says."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from inference.training import templates
from inference.training.data import Line
from services.detection.categories import CATEGORIES

_WORDS = {"groups", "others", "foes", "names", "sites", "openers", "closers"}
_LANGUAGES = {language.code: language for language in templates.languages()}


def kinds(code: str) -> dict[str, list[str]]:
    return {kind: frames for kind, frames in _LANGUAGES[code].words.items() if kind not in _WORDS}


@pytest.mark.parametrize("code", sorted(_LANGUAGES))
def test_no_frame_stands_twice_in_a_kind(code: str) -> None:
    twice = {kind: [frame for frame, n in Counter(frames).items() if n > 1] for kind, frames in kinds(code).items()}
    assert {kind: frames for kind, frames in twice.items() if frames} == {}


def test_no_frame_is_both_harmful_and_harmless() -> None:
    harmful = {"hate", "hate_emoji", "insult", "threat", "coercion", "wish_harm", "support", "spam", "sexual"}
    english = kinds("en")
    bad = {frame for kind in harmful for frame in english[kind]}
    assert [frame for kind in english.keys() - harmful for frame in english[kind] if frame in bad] == []


@pytest.mark.parametrize("code", sorted(_LANGUAGES))
def test_every_group_of_a_language_has_all_its_forms(code: str) -> None:
    language = _LANGUAGES[code]
    assert [group for group in language.words["groups"] if len(group.split(" | ")) != len(language.forms)] == []


@pytest.fixture(scope="module")
def lines() -> list[Line]:
    return templates.lines(1)


def test_lines_leave_no_placeholder_open(lines: list[Line]) -> None:
    assert [line.text for line in lines if "{" in line.text] == []


def test_each_category_is_known_of_most_lines(lines: list[Line]) -> None:
    """A label that is unknown by mistake teaches nothing."""
    for at, category in enumerate(CATEGORIES):
        unknown = sum(math.isnan(line.labels[at]) for line in lines)
        assert unknown < len(lines) / 2, category
        assert any(line.labels[at] == 1 for line in lines), category
