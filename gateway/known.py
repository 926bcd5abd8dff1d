"""What is known about an item when it is decided."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from services.runtime.errors import FieldViolation, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from google.protobuf.internal import containers
    from moat.detection.v1 import detection_service_pb2, signals_pb2
    from moat.enforcement.v1 import enforcement_pb2

    from gateway.parts import Part
    from services.runtime.errors import MoatError

_MOST_CARRIED_SPANS = 256
"""Of one part's words: a record has room for 256 KiB, and nothing is masked by them."""


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

    def add(self, part: Part, scored: detection_service_pb2.ScoreResult | None) -> None:
        """What detection says of the next part, or that it said nothing."""
        if scored is None:
            self.signals.append(None)
            return
        self.signals.append(scored.signals)
        if scored.HasField("words"):
            scored.words.part = part.position
            self.words.append(scored.words)
        if scored.signals.HasField("carried"):
            del scored.signals.carried.signals.spans[_MOST_CARRIED_SPANS:]

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
