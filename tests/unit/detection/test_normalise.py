# ruff: noqa: RUF001 - look-alikes are the point
"""The normaliser: takes off what people put on, never fails, and can always say where a character came from."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.detection.emoji import spell_out
from services.detection.normalise import normalise

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


@pytest.mark.parametrize("piece", ["a", "k ", "1a", "\u0301", "а", "!a!", "👩🏿", ". ", "aaa", "@$"])
def test_time_grows_with_the_length_and_no_faster(piece: str) -> None:
    def seconds(count: int) -> float:
        text = piece * count
        best = float("inf")
        for _ in range(3):
            began = time.perf_counter()
            spell_out(normalise(text).text)
            best = min(best, time.perf_counter() - began)
        return best

    seconds(1000)
    # Sixteen times the text; a quadratic step would take 256 times as long.
    assert seconds(16_000) < 80 * max(seconds(1000), 2e-4)
