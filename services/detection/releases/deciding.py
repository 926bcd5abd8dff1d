"""Lines through the releases that run: each by the one that decides about it, some of them by the shadow too."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from dataclasses import replace

from services.detection.releases import metrics
from services.detection.releases.line_up import Arm, LineUp
from services.detection.releases.shadowing import Shadowing
from services.detection.releases.side_by_side import side_by_side
from services.detection.scorer import Line, Scored
from services.runtime.reloading import Current


class ReleasedScorer:
    """A scorer of lines. Where nothing is tried, it is the live release's."""

    def __init__(self, releases: Current[LineUp], shadowing: Shadowing) -> None:
        """`releases` as they are now."""
        self._releases = releases
        self._shadowing = shadowing

    def version(self, line: Line) -> str:
        """See `services.detection.exact_cache.LineScorer`: of the release that decides about this line, too."""
        running = self._releases.current.of(line)
        return f"{running.release.digest};{running.scorer.version(line)}"

    async def score(self, lines: Sequence[Line]) -> AsyncIterator[list[Scored]]:
        """See `LineScorer`."""
        line_up = self._releases.current
        arms = line_up.arms(lines)
        with ExitStack() as stack:
            # All at once, before anything is awaited: what is changed meanwhile waits for these lines.
            for arm in arms:
                metrics.LINES.labels(arm.running.release.name, arm.name).inc(len(arm.indexes))
                stack.enter_context(arm.running.at_work(len(arm.indexes)))
            begun = self._shadowing.begin(line_up, lines)
            async for part in _decide(arms, lines):
                for scored in part if begun else ():
                    if scored.index in begun:
                        begun[scored.index].decide(scored.signals)
                yield part


def _decide(arms: Sequence[Arm], lines: Sequence[Line]) -> AsyncIterator[list[Scored]]:
    if len(arms) == 1:
        return arms[0].running.scorer.score(lines)
    return side_by_side(*(_some(arm, lines) for arm in arms))


async def _some(arm: Arm, lines: Sequence[Line]) -> AsyncIterator[list[Scored]]:
    async for part in arm.running.scorer.score([lines[index] for index in arm.indexes]):
        yield [replace(scored, index=arm.indexes[scored.index]) for scored in part]
