"""Where somebody speaks: from probabilities to stretches, as they come."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from services.runtime.sound import RATE
from services.runtime.sound.activity import FRAME

_SPEECH, _SILENCE = 0.5, 0.35
"""From the one a frame is speech, below the other it is silence; what lies between is what was before."""


def _frames(millis: int) -> int:
    return round(millis * RATE / 1000 / FRAME)


_ENDED = _frames(640)
"""So much silence ends an utterance; less is a breath."""
_SHORTEST = _frames(160)
"""So much speech makes one; less is a click."""
_PADDING = _frames(192)
"""Kept on either side: words begin and end softly."""
LONGEST = _frames(28_000)
"""A speaker who takes no breath is cut: a listener hears thirty seconds at a time."""
_CUT_FROM = LONGEST // 2
"""The cut is where it is quietest in the second half."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """A stretch of frames, padding included; frame n is the samples from n * 512."""

    start: int
    end: int
    """One past the last."""
    speech: int
    """How many frames are speech."""


class Utterances:
    """Of one stream. None is longer than 28 s, and none overlaps another."""

    def __init__(self) -> None:
        """At the stream's beginning."""
        self._next = 0
        """Number of the frame that comes next."""
        self._from = 0
        """No utterance begins before that: there the last one ended."""
        self._start = -1
        """The first frame of the utterance that is being spoken; -1 when none is."""
        self._last = 0
        """One past its last frame of speech."""
        self._probabilities: list[float] = []
        """Of its frames."""

    @property
    def needed_from(self) -> int:
        """No frame before this will be part of an utterance that is still to come."""
        return self._start if self._start >= 0 else max(self._from, self._next - _PADDING)

    def push(self, probabilities: Iterable[float]) -> list[Utterance]:
        """More frames; returns the utterances that ended."""
        ended: list[Utterance] = []
        for probability in probabilities:
            self._take(float(probability))
            if self._start < 0:
                continue
            if self._next - self._last >= _ENDED:
                ended += self._end(min(self._next, self._last + _PADDING))
            elif self._next - self._start >= LONGEST:
                ended += self._cut()
        return ended

    def end(self) -> list[Utterance]:
        """The stream's end; returns the utterance that was being spoken, if any."""
        return self._end(min(self._next, self._last + _PADDING)) if self._start >= 0 else []

    def _take(self, probability: float) -> None:
        number = self._next
        self._next += 1
        speaks = probability >= _SPEECH or (self._last == number and number > 0 and probability >= _SILENCE)
        if self._start < 0 and speaks:
            self._start = max(self._from, number - _PADDING)
            self._probabilities = [0.0] * (number - self._start)
        if self._start >= 0:
            self._probabilities.append(probability)
            self._last = number + 1 if speaks else self._last

    def _end(self, end: int) -> list[Utterance]:
        start, self._start, self._from = self._start, -1, end
        speech = sum(one >= _SPEECH for one in self._probabilities[: end - start])
        self._probabilities = []
        return [Utterance(start, end, speech)] if speech >= _SHORTEST else []

    def _cut(self) -> list[Utterance]:
        """Between two words if there is a pause; what follows is the next utterance's beginning."""
        start, rest = self._start, self._probabilities
        place = min(range(_CUT_FROM, len(rest)), key=lambda at: rest[at])
        found = self._end(start + place)
        self._start, self._probabilities = start + place, rest[place:]
        return found
