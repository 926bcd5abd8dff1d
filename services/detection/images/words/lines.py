"""Lines that were read, as one text whose stretches know where they stand in the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from moat.detection.v1 import signals_pb2

MOST_CODE_POINTS = 2000
"""What goes through the text path and into a record of at most 256 KiB."""
_ONE_ROW = 0.5
"""Share of the lower line's height that two lines overlap in, if they are one row."""


@dataclass(frozen=True, slots=True)
class ReadLine:
    """Words that stand in one line."""

    words: str
    left: float
    """Of the upright rectangle around them, in shares of the picture."""
    top: float
    right: float
    bottom: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Found:
    """All words of a picture. Content: it goes into no log, and into no record but sealed."""

    text: str = ""
    places: tuple[signals_pb2.Place, ...] = ()
    whole: bool = True
    """Whether nothing was left unread."""


def joined(lines: Sequence[ReadLine], *, whole: bool) -> Found:
    """`lines` in reading order: those of one row parted by a space, rows by a line feed. What is beyond 2,000 code points is left
    out, and then it is not whole."""
    text = ""
    places = []
    before: ReadLine | None = None
    for line in lines:
        apart = "" if before is None else " " if _in_one_row(before, line) else "\n"
        start = len(text) + len(apart)
        if start + len(line.words) > MOST_CODE_POINTS:
            whole = False
            break
        text += apart + line.words
        places.append(_place(line, start))
        before = line
    return Found(text, tuple(places), whole)


def _in_one_row(one: ReadLine, other: ReadLine) -> bool:
    shared = min(one.bottom, other.bottom) - max(one.top, other.top)
    lower = min(one.bottom - one.top, other.bottom - other.top)
    return other.left >= one.left and shared > _ONE_ROW * lower


def _place(line: ReadLine, start: int) -> signals_pb2.Place:
    box = signals_pb2.Box(left=line.left, top=line.top, right=line.right, bottom=line.bottom)
    return signals_pb2.Place(start=start, end=start + len(line.words), box=box, confidence=line.confidence)
