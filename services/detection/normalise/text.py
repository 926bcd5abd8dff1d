"""The steps of normalising, in order. What is plain already, as most chat is, passes one regular expression."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from services.detection.normalise.disguises import join_spaced, shorten_runs, undo_leetspeak
from services.detection.normalise.unicode import fold, undo_lookalikes

VERSION = "2"
"""Raise it whenever the output for any text changes: scores are stored with it, and models are trained on it."""

_SUSPECT = re.compile(
    r"[a-z][0-9@$!|+]+[a-z]|(?<![^\s])[0-9@$][a-z]{2}|@\$\$|[a-z][$@]"
    r"|(.)\1\1|(?<!\w)\w[ ._*~\-]\w[ ._*~\-]\w(?!\w)"
)
"""What any step below could change in lower-cased ASCII."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Normalised:
    """A text without its disguise."""

    text: str
    offsets: Sequence[int]
    """For each character of `text` the position in the original that it came from, and the original's length at the
    end: one more than `text` is long, never falling."""

    def original_span(self, start: int, end: int) -> tuple[int, int]:
        """The range of the original that `text[start:end]` came from."""
        if start >= end:
            return self.offsets[start], self.offsets[start]
        return self.offsets[start], max(self.offsets[end - 1] + 1, self.offsets[end] if end < len(self.text) else 0)


def normalise(text: str) -> Normalised:
    """Any str, lone surrogates included."""
    if text.isascii() and _CONTROL.search(text) is None:
        lowered = text.lower()
        if _SUSPECT.search(lowered) is None:
            return Normalised(lowered, range(len(text) + 1))
        characters, origins = list(lowered), list(range(len(text)))
    else:
        characters, origins = fold(text)
        characters = undo_lookalikes(characters)
    for step in (undo_leetspeak, shorten_runs, join_spaced):
        characters, origins = step(characters, origins)
    return Normalised("".join(characters), [*origins, len(text)])
