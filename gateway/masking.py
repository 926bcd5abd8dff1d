"""Covers the offending parts of a text. Offsets count code points of the text as it was typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

COVER = "*"


def mask(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Replaces each visible character in the spans; spaces stay, so that the shape of the line does. Spans may overlap
    and reach past the end."""
    letters = list(text)
    for start, end in spans:
        for index in range(start, min(end, len(letters))):
            if not letters[index].isspace():
                letters[index] = COVER
    return "".join(letters)


def mask_all(text: str) -> str:
    """For a text that must be masked when nobody can say where."""
    return mask(text, [(0, len(text))])
