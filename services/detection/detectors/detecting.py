"""Lines through the cascade and the detectors, side by side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from services.detection.detectors.inquiry import Inquiry
from services.detection.detectors.live import LiveDetectors, Panel
from services.detection.detectors.port import Kind, Question
from services.detection.exact_cache import LineScorer
from services.detection.scorer import Line, Scored
from services.runtime.background import end_tasks


class DetectingScorer:
    """A scorer of lines. Where no detector looks at any of them it is the one below, and costs nothing."""

    def __init__(self, scorer: LineScorer, detectors: LiveDetectors) -> None:
        """`scorer` is the cascade."""
        self._scorer = scorer
        self._detectors = detectors

    def version(self, line: Line) -> str:
        """See `LineScorer`."""
        panel = self._panel(line)
        version = self._scorer.version(line)
        return version if panel is None else f"{version};{panel.version}"

    def score(self, lines: Sequence[Line]) -> AsyncIterator[list[Scored]]:
        """See `LineScorer`. A line that some detector looks at is ready when they have all answered or had their time."""
        if not self._detectors.on:
            return self._scorer.score(lines)
        panels = {index: panel for index, line in enumerate(lines) if (panel := self._panel(line)) is not None}
        return self._with(lines, panels) if panels else self._scorer.score(lines)

    def _panel(self, line: Line) -> Panel | None:
        return self._detectors.panel(Kind.TEXT, tenant=line.tenant, environment=line.environment, surface=line.surface)

    async def _with(self, lines: Sequence[Line], panels: dict[int, Panel]) -> AsyncIterator[list[Scored]]:
        inquiries = {
            index: Inquiry(panel, _question(lines[index]), deadline=lines[index].deadline)
            for index, panel in panels.items()
        }
        ready: asyncio.Queue[list[Scored] | None] = asyncio.Queue()
        work = asyncio.create_task(self._work(lines, inquiries, ready))
        try:
            while (part := await ready.get()) is not None:
                yield part
            await work
        finally:
            await end_tasks([work])
            for inquiry in inquiries.values():
                await inquiry.drop()

    async def _work(
        self, lines: Sequence[Line], inquiries: dict[int, Inquiry], ready: asyncio.Queue[list[Scored] | None]
    ) -> None:
        """Puts results as they are ready, None at the end, however it comes."""
        finishing: list[asyncio.Task[None]] = []
        try:
            async for part in self._scorer.score(lines):
                ready.put_nowait([scored for scored in part if scored.index not in inquiries])
                finishing += [
                    asyncio.create_task(_finish(inquiries[scored.index], scored, ready))
                    for scored in part
                    if scored.index in inquiries
                ]
            await asyncio.gather(*finishing)
        finally:
            await end_tasks([task for task in finishing if not task.done()])
            ready.put_nowait(None)


async def _finish(inquiry: Inquiry, scored: Scored, ready: asyncio.Queue[list[Scored] | None]) -> None:
    await inquiry.finish(scored.signals)
    if scored.signals.detectors:
        scored.stages.append(inquiry.stage())
    ready.put_nowait([scored])


def _question(line: Line) -> Question:
    return Question(
        Kind.TEXT,
        line.text,
        language=line.told_language,
        tenant=line.tenant,
        environment=line.environment,
        surface=line.surface,
    )
