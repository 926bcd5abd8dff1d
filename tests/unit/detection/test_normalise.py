# ruff: noqa: RUF001 - look-alikes are the point
"""The normaliser: takes off what people put on, never fails, and can always say where a character came from."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from re._parser import parse  # type: ignore[import-not-found]
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.detection import emoji
from services.detection.emoji import spell_out
from services.detection.normalise import disguises, normalise
from services.detection.normalise import text as text_steps
from services.detection.normalise import unicode as unicode_steps

_SPICY = "\u200b\u200d\u2060\ufdfa\u0301\u0335аеор👩🏿\U0001f170\U0001f17fßİ１ｋ⒜\u202e\ud800 .-_*@$!0134\n\tkK"
texts = st.text(st.one_of(st.characters(), st.sampled_from(_SPICY)), max_size=200)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("K1LL", "kill"),
        ("5h1t", "shit"),
        ("b!tch", "bitch"),
        ("@$$hole", "asshole"),
        ("$hit", "shit"),
        ("k i l l", "kill"),
        ("k.i.l.l", "kill"),
        ("shiiiiit", "shit"),
        ("nooooob", "noob"),
        ("k\u200bi\u200dl\u2060l", "kill"),
        ("кill", "kill"),
        ("ｋｉｌｌ", "kill"),
        ("🅺🅸🅻🅻", "kill"),
        ("k̶i̶l̶l̶", "kill"),
        ("𝖐𝖎𝖑𝖑", "kill"),
        ("قـــتل", "قتل"),
        ("a\nb\x00", "a b"),
    ],
)
def test_a_disguise_is_taken_off(typed: str, meant: str) -> None:
    assert normalise(typed).text == meant


@pytest.mark.parametrize(
    "plain",
    ["level5 in 2v2", "@john come here", "at 10:30", "mp3 and ps5", "привет всем", "नमस्ते", "c++ is fun", "500$"],
)
def test_what_is_no_disguise_stays(plain: str) -> None:
    assert normalise(plain).text == plain


@given(texts)
@settings(max_examples=400, deadline=None)
def test_any_text_is_normalised_with_a_way_back(text: str) -> None:
    found = normalise(text)
    offsets = list(found.offsets)
    assert len(offsets) == len(found.text) + 1
    assert offsets == sorted(offsets)
    assert offsets[-1] == len(text)
    assert all(0 <= offset <= len(text) for offset in offsets)
    for start in range(0, len(found.text), 7):
        begin, end = found.original_span(start, min(len(found.text), start + 3))
        assert 0 <= begin <= end <= len(text)


@given(texts)
@settings(max_examples=200, deadline=None)
def test_a_text_does_not_grow_without_bound(text: str) -> None:
    assert len(normalise(text).text) <= 8 * len(text)
    assert len(spell_out(text)) <= 80 * len(text) + 80


def lines_run(text: str) -> int:
    """How many lines of Python it takes; what has been met before is remembered, so twice."""
    count = 0

    def trace(_frame: FrameType, event: str, _argument: Any) -> Callable[..., Any]:  # noqa: ANN401 - as it is called
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    for _ in range(2):
        count = 0
        sys.settrace(trace)
        try:
            spell_out(normalise(text).text)
        finally:
            sys.settrace(before)
    return count


@pytest.mark.parametrize("piece", ["a", "k ", "1a", "\u0301", "а", "!a!", "👩🏿", ". ", "aaa", "@$", "a а ", "क्षि"])
def test_work_grows_with_the_length_and_no_faster(piece: str) -> None:
    """Counted, not timed. Eight times the text; a quadratic step would take sixty-four times as much."""
    assert lines_run(piece * 1600) <= 9 * lines_run(piece * 200)


def unbounded_inside(parsed: Iterable[tuple[object, Any]], *, inside: bool = False) -> bool:
    """Whether a repeat without a bound stands inside another: what makes a pattern slower than its text is long."""
    return any(_runs_away(str(code), argument, inside=inside) for code, argument in parsed)


def _runs_away(code: str, argument: Any, *, inside: bool) -> bool:  # noqa: ANN401 - the library says no more
    if code in ("MAX_REPEAT", "MIN_REPEAT"):
        _, most, body = argument
        open_ended = most > 64
        return (open_ended and inside) or unbounded_inside(body, inside=inside or open_ended)
    bodies = {"SUBPATTERN": lambda: argument[-1:], "BRANCH": lambda: argument[1], "ASSERT": lambda: argument[1:],
              "ASSERT_NOT": lambda: argument[1:]}  # fmt: skip
    return any(unbounded_inside(body, inside=inside) for body in bodies.get(code, list)())


def patterns() -> list[str]:
    return [
        value.pattern
        for module in (disguises, text_steps, unicode_steps, emoji)
        for value in vars(module).values()
        if isinstance(value, re.Pattern)
    ]


def test_no_pattern_of_the_normaliser_can_run_away() -> None:
    assert len(patterns()) >= 8
    assert [pattern for pattern in patterns() if unbounded_inside(parse(pattern))] == []


def test_a_pattern_that_can_run_away_would_be_noticed() -> None:
    assert unbounded_inside(parse("(?:a+b?)+"))
