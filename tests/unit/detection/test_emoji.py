"""Emoji are read as words."""

from __future__ import annotations

import pytest

from services.detection.emoji import spell_out


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("look 🐒", "look monkey"),
        ("🔫 him", "gun him"),
        ("👨🏿", "man black"),
        ("🏳🌈", "flag rainbow gay"),
        ("🇮🇱", "israel flag"),
        ("🇿🇼", "zw flag"),
        ("🦃", "turkey"),
        ("no pictures: ü ж 字", "no pictures: ü ж 字"),
    ],
)
def test_a_picture_becomes_its_word(written: str, read: str) -> None:
    assert spell_out(written).split() == read.split()
