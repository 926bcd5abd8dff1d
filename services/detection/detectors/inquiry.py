"""What the detectors find in one content: some are asked at once, some when the tiers' own scores leave a verdict open."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from moat.detection.v1 import signals_pb2
from moat.mesh.v1 import item_pb2

from services.detection.detectors.document import Ask
from services.detection.detectors.guarded import Guarded, How
from services.detection.detectors.live import Panel
from services.detection.detectors.port import Question
from services.detection.stages import stage
from services.runtime.background import end_tasks

PART = "detectors"
"""What is missing, in signals and policies, when a detector that is required did not answer."""
_RESERVE_SHARE, _RESERVE_SECONDS = 0.1, 0.005
"""Of a content's time, and at least: what its answer needs on its way back."""

Asking = asyncio.Task[signals_pb2.DetectorFinding]


class Inquiry:
    """About one content. `finish` or `drop` ends it."""

    def __init__(self, panel: Panel, question: Question, *, deadline: float | None) -> None:
        """Asks those that are always asked. `deadline` is the content's, on `time.monotonic`'s clock."""
        self._began = time.perf_counter()
        self._panel = panel
        self._question = question
        self._deadline = _within(deadline)
        self._asking: dict[str, Asking] = {}
        self._ask(Ask.ALWAYS, {})

    async def finish(self, signals: signals_pb2.Signals) -> None:
        """Asks the others if `signals` leave it open, and writes down what all of them say."""
        self._ask(Ask.UNCERTAIN, {one.category: one.probability for one in signals.scores})
        if not self._asking:
            return
        try:
            await asyncio.wait(self._asking.values())
        finally:
            await self.drop()
        signals.detectors.extend(self._asking[name].result() for name in sorted(self._asking))
        required = {one.document.name for one in self._panel.detectors if one.document.required}
        if any(one.name in required and one.state != How.ANSWERED for one in signals.detectors):
            signals.degraded.append(PART)

    def stage(self) -> item_pb2.HopTiming.Stage:
        """How long it took, from its beginning: that of the content's scoring."""
        return stage("detectors", self._began, self._began, time.perf_counter() - self._began, len(self._asking))

    async def drop(self) -> None:
        """Nobody waits for it any more."""
        await end_tasks([task for task in self._asking.values() if not task.done()])

    def _ask(self, when: Ask, scores: Mapping[str, float]) -> None:
        for one in self._panel.detectors:
            if one.document.ask is when and (when is Ask.ALWAYS or _open(one, scores)):
                asking = one.ask(self._question, deadline=self._deadline)
                self._asking[one.document.name] = asyncio.create_task(asking)


def complete(signals: signals_pb2.Signals) -> bool:
    """Whether every detector that was asked has answered: only then the same content needs no asking again."""
    return all(one.state == How.ANSWERED for one in signals.detectors)


def _open(detector: Guarded, scores: Mapping[str, float]) -> bool:
    return any(
        between.least <= scores.get(category, 0.0) <= between.most
        for category, between in detector.document.between.items()
    )


def _within(deadline: float | None) -> float | None:
    if deadline is None:
        return None
    left = deadline - time.monotonic()
    return deadline - max(left * _RESERVE_SHARE, _RESERVE_SECONDS)
