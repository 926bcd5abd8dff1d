"""Scores lines by a release that is tried, beside the one that decides: in small pieces, one at a time, and given up first."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from moat.detection.v1 import signals_pb2

from services.detection.releases import metrics
from services.detection.releases.comparing import compare, shadow_scores
from services.detection.releases.line_up import LineUp
from services.detection.scorer import Line, Scored
from services.runtime.logs import log

_PIECE = 4
"""Lines scored at a time: about a millisecond of the event loop."""
_SECONDS = 2.0
"""How long a line may take to be of interest."""


@dataclass(slots=True)
class Beside:
    """One line's way through the shadow. What decides and what is tried may come in either order."""

    line: Line
    line_up: LineUp
    release: str
    decided: signals_pb2.Signals | None = None
    said: signals_pb2.Signals | None = None

    def decide(self, signals: signals_pb2.Signals) -> None:
        """The answer is about to leave: with the shadow's word if that is there, and as a copy that is compared."""
        decided = signals_pb2.Signals()
        decided.CopyFrom(signals)
        self.decided = decided
        if self.said is not None:
            signals.shadow.CopyFrom(shadow_scores(self.said, self.release))
            self._compare("in_time")

    def say(self, signals: signals_pb2.Signals) -> None:
        """The shadow has scored it."""
        self.said = signals
        if self.decided is not None:
            self._compare("late")

    def _compare(self, when: str) -> None:
        assert self.decided is not None
        assert self.said is not None
        well = compare(self.line_up.plan.document, self.release, self.decided, self.said)
        metrics.SHADOW.labels(self.release, when if well else "incomplete").inc()


@dataclass(slots=True)
class Shadowing:
    """The line for it. Belongs to one event loop; `run` works it off."""

    most: int
    """Lines that may wait; more are not scored."""
    busy_from: int
    """Lines being decided, from which on nothing is tried."""
    _waiting: deque[Beside] = field(default_factory=deque)
    _come: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self, line_up: LineUp, lines: Sequence[Line]) -> dict[int, Beside]:
        """Lines up those of `lines` that the shadow gets and has room for, by their index. Waits for nothing."""
        shadow = line_up.shadow
        if shadow is None:
            return {}
        begun: dict[int, Beside] = {}
        release = shadow.running.release.name
        for index, line in enumerate(lines):
            if not shadow.gets(line):
                continue
            if len(self._waiting) >= self.most:
                metrics.SHADOW.labels(release, "full").inc()
                continue
            # A line of its own: the other one is on its way through the tiers and is written to.
            copy = replace(line, traceparent="", deadline=time.monotonic() + _SECONDS, tried=True)
            begun[index] = Beside(copy, line_up, release)
            self._waiting.append(begun[index])
        if begun:
            self._come.set()
        return begun

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await self._come.wait()
            self._come.clear()
            while self._waiting:
                first = self._waiting[0].line_up
                piece: list[Beside] = []
                while self._waiting and len(piece) < _PIECE and self._waiting[0].line_up is first:
                    piece.append(self._waiting.popleft())
                await self._score(first, piece)
                # Whoever decides goes before the next piece.
                await asyncio.sleep(0)

    async def _score(self, line_up: LineUp, piece: Sequence[Beside]) -> None:
        shadow = line_up.shadow
        assert shadow is not None
        name = shadow.running.release.name
        busy = sum(one.lines for one in line_up.deciding) > self.busy_from
        if busy or shadow.running.retired:
            metrics.SHADOW.labels(name, "busy" if busy else "over").inc(len(piece))
            return
        try:
            with shadow.running.at_work(len(piece)):
                async for part in shadow.running.scorer.score([one.line for one in piece]):
                    _tell(piece, part)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with what is tried, it is tried
            metrics.SHADOW.labels(name, "failed").inc(sum(one.said is None for one in piece))
            log.warning("shadow_failed", release=name, error=type(error).__name__)


def _tell(piece: Sequence[Beside], part: Sequence[Scored]) -> None:
    for scored in part:
        piece[scored.index].say(scored.signals)
