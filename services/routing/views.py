"""What rules look at, one after the other: each part of the content, and the words that a picture or a clip carries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from moat.detection.v1 import signals_pb2
from moat.routing.v1 import routing_service_pb2

Item = routing_service_pb2.VerdictItem

_NOTHING = signals_pb2.Signals()


class View(NamedTuple):
    """One thing to look at."""

    part: int
    """Position of the part; 0 for content that is one thing."""
    kind: str
    """`text`, `image` or `audio`; words are text wherever they were found."""
    carrier: str
    """What the words were found in, `image` or `audio`; empty for anything else."""
    signals: signals_pb2.Signals
    missing: bool = False
    """Detection did not answer about it."""


def views_of(item: Item) -> list[View]:
    """At least one, in the order of the parts; a part's words come after it."""
    if item.parts:
        return [view for position, part in enumerate(item.parts) for view in _of_part(position, part)]
    return list(_of_signals(0, kind_of(item.signals), item.signals, missing="detection" in item.missing))


def kind_of(signals: signals_pb2.Signals) -> str:
    """What content that is one thing is. While detection is missing that is not known, and taken for text."""
    if signals.HasField("image"):
        return "image"
    return "audio" if signals.HasField("audio") else "text"


def _of_part(position: int, part: routing_service_pb2.PartSignals) -> Iterator[View]:
    found = part.HasField("signals")
    yield from _of_signals(position, part.kind, part.signals if found else _NOTHING, missing=not found)


def _of_signals(position: int, kind: str, signals: signals_pb2.Signals, *, missing: bool) -> Iterator[View]:
    yield View(position, kind, "", signals, missing)
    if signals.HasField("carried"):
        yield View(position, "text", kind, signals.carried.signals)
