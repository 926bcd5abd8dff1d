"""What is known about an item when it is decided."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from moat.detection.v1 import signals_pb2

from services.runtime.errors import FieldViolation, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from google.protobuf.internal import containers
    from moat.detection.v1 import detection_service_pb2
    from moat.enforcement.v1 import enforcement_pb2

    from gateway.parts import Part
    from services.runtime.errors import MoatError

_MOST_TYPED, _MOST_CARRIED = 800, 300
"""Spans of one item, in typed texts and in found words: a record has room for 256 KiB."""
_MOST_PLACES = 64
"""Of one part's words."""
_MOST_WORDS = 10_000
"""Code points of all words that were found in one item."""


@dataclass(slots=True)
class Known:
    """None and absent are what did not answer in time."""

    signals: list[signals_pb2.Signals | None] = field(default_factory=list)
    """By part."""
    words: list[signals_pb2.FoundWords] = field(default_factory=list)
    """That were found in pictures and clips."""
    features: containers.ScalarMap[str, float] | None = None
    restrictions: Sequence[enforcement_pb2.Restriction] = ()
    missing: list[str] = field(default_factory=list)
    refusal: MoatError | None = None
    """Why the content cannot be decided about at all: it is no picture, say."""
    _typed: int = _MOST_TYPED
    _carried: int = _MOST_CARRIED
    _words: int = _MOST_WORDS

    def add(self, part: Part, scored: detection_service_pb2.ScoreResult | None) -> None:
        """What detection says of the next part, or that it said nothing."""
        if scored is None:
            self.signals.append(None)
            return
        self.signals.append(scored.signals)
        self._typed -= bound(scored.signals, self._typed)
        if scored.signals.HasField("carried"):
            self._carried -= bound(scored.signals.carried.signals, self._carried)
            del scored.signals.carried.places[_MOST_PLACES:]
        if scored.HasField("words"):
            words = signals_pb2.FoundWords(part=part.position, text=scored.words.text[: self._words])
            self._words -= len(words.text)
            self.words.append(words)

    def lack(self, name: str) -> None:
        """Something did not answer."""
        if name not in self.missing:
            self.missing.append(name)

    @property
    def degraded(self) -> Iterator[str]:
        """What detection itself had to do without, of all parts and their words."""
        for signals in self.signals:
            if signals is not None:
                yield from signals.degraded
                if signals.HasField("carried"):
                    yield from signals.carried.signals.degraded


def bound(signals: signals_pb2.Signals, most: int) -> int:
    """Leaves at most `most` spans and one more of each category, which reaches over all that it stands for: what is masked by
    them stays masked. Returns how many of `most` are used up."""
    left_out = signals.spans[most:]
    if not left_out:
        return len(signals.spans)
    reach: dict[str, signals_pb2.Span] = {}
    for span in left_out:
        there = reach.setdefault(span.category, span)
        there.start, there.end = min(there.start, span.start), max(there.end, span.end)
    del signals.spans[most:]
    signals.spans.extend(reach.values())
    return most


def of_part(error: MoatError, part: Part) -> MoatError:
    """A refusal of one of several, by the field that its caller knows."""
    if part.whole is not None:
        return error
    place = f"content.parts.parts[{part.position}]."
    violations = [
        FieldViolation(name.replace("content.", place, 1), description) for name, description in error.metadata.items()
    ]
    message = (
        "; ".join(f"{one.field}: {one.description}" for one in violations) or f"{place}{part.kind}: {error.message}"
    )
    return InvalidRequest(message, *violations, reason=error.reason)
