"""Releases that say what a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import yaml
from moat.detection.v1 import signals_pb2
from prometheus_client import REGISTRY

from services.detection.releases.line_up import LineUp
from services.detection.releases.loading import Places, Plan, load_plan
from services.detection.releases.making import make_release
from services.detection.releases.running import Running
from services.detection.scorer import Line, Scored

CATEGORIES = ("hate", "violence.threat")


class Says:
    """A scorer whose every probability is the same; with `held` it waits until `let_go`."""

    def __init__(self, probability: float, *, held: bool = False, degraded: Sequence[str] = ()) -> None:
        self.probability = probability
        self.degraded = degraded
        self.texts: list[str] = []
        self.closed = False
        self.go = asyncio.Event()
        if not held:
            self.go.set()

    def version(self, line: Line) -> str:
        return f"lists-of-{line.tenant}"

    async def score(self, lines: Sequence[Line]) -> AsyncIterator[list[Scored]]:
        self.texts += [line.text for line in lines]
        await self.go.wait()
        for index in reversed(range(len(lines))):
            scores = [signals_pb2.Score(category=category, probability=self.probability) for category in CATEGORIES]
            yield [Scored(index, signals_pb2.Signals(scores=scores, degraded=self.degraded), [])]

    async def close(self) -> None:
        self.closed = True


class Breaks(Says):
    """A scorer that cannot."""

    async def score(self, lines: Sequence[Line]) -> AsyncIterator[list[Scored]]:
        raise RuntimeError("broken")
        yield []


def plan_of(places: Places, folder: Path, **fields: object) -> Plan:
    """A plan in `folder`, with `text-2` and `text-3` made of the files as they are now."""
    path = folder / "plan.yaml"
    path.write_text(yaml.safe_dump(fields))
    for name in ("text-2", "text-3"):
        make_release(places, name, deep="1", fast="1")
    return load_plan((path,), places)


def line_up(plan: Plan, says: dict[str, Says]) -> LineUp:
    running = {name: Running(plan.releases[name], one, one.close) for name, one in says.items()}
    return LineUp(plan, running)


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0
