"""A release in memory: its tiers, who uses it, and when nobody does any more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from services.detection.cascade import Cascade
from services.detection.exact_cache import LineScorer
from services.detection.fast_tier import FastTier
from services.detection.releases.loading import Release
from services.detection.windows import Windows


@dataclass(frozen=True, slots=True)
class Tiers:
    """What is read from a release's files."""

    fast: FastTier
    cascade: Cascade
    windows: Windows

    @classmethod
    def load(cls, release: Release) -> Tiers:
        """Takes some tenths of a second: not for an event loop. Raises what its parts raise."""
        return cls(FastTier.load(release.fast_text), Cascade.load(release.fast_text), Windows(release.tokenizer))


class Running:
    """A release that scores. Belongs to one event loop."""

    def __init__(self, release: Release, scorer: LineScorer, close: Callable[[], Awaitable[None]]) -> None:
        """`close` lets go of what `scorer` holds."""
        self.release = release
        self.scorer = scorer
        self.lines = 0
        """Being scored."""
        self.retired = False
        """Nothing new is to be given to it."""
        self._close = close
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def at_work(self, lines: int) -> Iterator[None]:
        """While so many lines are scored."""
        self.lines += lines
        self._idle.clear()
        try:
            yield
        finally:
            self.lines -= lines
            if not self.lines:
                self._idle.set()

    async def retire(self) -> None:
        """Waits until nothing is scored any more, and closes."""
        self.retired = True
        try:
            await self._idle.wait()
        finally:
            await self.close()

    async def close(self) -> None:
        """Lets go of what it holds."""
        await self._close()
