"""Masks cover code points of the text as it was typed."""

from __future__ import annotations

import pytest

from gateway.masking import mask, mask_all


@pytest.mark.parametrize(
    ("text", "spans", "shown"),
    [
        ("you rude man", [(4, 8)], "you **** man"),
        ("a b c", [(0, 5)], "* * *"),
        ("héllo 👍🏽 x", [(1, 3), (6, 8)], "h**lo ** x"),
        ("abc", [(0, 2), (1, 3)], "***"),
        ("abc", [(2, 99)], "ab*"),
        ("abc", [(7, 9)], "abc"),
        ("abc", [], "abc"),
        ("", [(0, 1)], ""),
    ],
)
def test_spans_are_covered(text: str, spans: list[tuple[int, int]], shown: str) -> None:
    assert mask(text, spans) == shown


def test_spaces_keep_the_shape_of_the_line() -> None:
    assert mask_all("go away\n now") == "** ****\n ***"
