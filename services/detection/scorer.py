"""One list of lines through the tiers: cheap ones for all at once, the deep one for those it can change."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from moat.detection.v1 import signals_pb2
from moat.mesh.v1 import item_pb2
from moat_client.coalescer import DeadlinePassed, QueueFull
from numpy.typing import NDArray
from prometheus_client import Counter

from services.detection.cascade import Cascade, Deep, held
from services.detection.categories import CATEGORIES
from services.detection.deep_models import MODEL
from services.detection.deep_tier import Answer, DeepTier, Question
from services.detection.fast_tier import FastTier
from services.detection.language import Language, Languages
from services.detection.normalise import VERSION as NORMALISER
from services.detection.normalise import Normalised, normalise
from services.detection.releases.loading import Release
from services.detection.terms import Hit, Terms
from services.runtime.errors import OutOfTime
from services.runtime.logs import log
from services.runtime.reloading import Current

DEEP_SHARE = Counter("detection_lines_total", "Lines by whether the deep tier was asked.", ["deep"])
_ORDER = sorted(range(len(CATEGORIES)), key=lambda position: CATEGORIES[position])
_SPAN_FROM = 0.5


@dataclass(slots=True)
class Line:
    """One text on its way through the tiers."""

    text: str
    traceparent: str = ""
    tenant: str = ""
    deadline: float | None = None
    """On `time.monotonic`'s clock."""
    environment: str = ""
    surface: str = ""
    told_language: str = ""
    """What the caller says the language is."""
    item: str = ""
    """The id of the request that it came with; releases that are tried get their share by it."""
    tried: bool = False
    """Scored beside what decides: it is in no share of what was decided."""
    lists_version: str = field(init=False)
    normalised: Normalised = field(init=False)
    language: Language = field(init=False)
    hits: list[Hit] = field(init=False)


@dataclass(slots=True)
class Scored:
    """What was found, and how long the parts took."""

    index: int
    signals: signals_pb2.Signals
    stages: list[item_pb2.HopTiming.Stage]


class Scorer:
    """The tiers, and what holds them together."""

    def __init__(
        self,
        terms: Current[Terms],
        fast: FastTier,
        deep: DeepTier,
        cascade: Cascade,
        languages: Languages,
        *,
        release: Release,
        when: Deep,
    ) -> None:
        """`terms` as they are now; `release` is what the tiers are of; `when` the deep tier is asked."""
        self._terms = terms
        self._release = release
        self._fast = fast
        self._cascade = cascade
        self._deep = deep
        self._languages = languages
        self._when = when

    def version(self, line: Line) -> str:  # noqa: ARG002 - the port's: with detectors it depends on whose line it is
        """See `services.detection.exact_cache.LineScorer`: here of the term lists, some of whose entries have dates."""
        return self._terms.current.version_now

    async def score(self, lines: Sequence[Line]) -> AsyncIterator[list[Scored]]:
        """Yields results as they are ready: what the cheap tiers settle at once, the rest after the deep tier."""
        clock = _Clock(len(lines))
        terms = self._terms.current
        for line in lines:
            line.normalised = normalise(line.text)
            line.lists_version = terms.version
            line.hits = terms.find(line.normalised.text, line.tenant)
            line.language = self._languages.of(line.normalised.text)
        clock.lap("normalise")
        fast = self._fast.probabilities([line.normalised.text for line in lines])
        clock.lap("fast_tier")
        alone = self._cascade.of_fast(fast)
        asked = self._ask(lines, fast)
        _count(lines, asked)
        settled = [
            Scored(index, self._signals(line, alone[index], "decided"), list(clock.stages))
            for index, line in enumerate(lines)
            if index not in asked
        ]
        # Also when there is nothing: it tells the caller that what is left waits for the deep tier, and holds up nobody.
        yield settled
        async for answered in _as_answered(asked):
            yield self._finish(answered, asked, lines, fast, clock)

    def _ask(self, lines: Sequence[Line], fast: NDArray[np.float32]) -> dict[int, asyncio.Future[Answer]]:
        if self._when is Deep.NEVER:
            return {}
        if self._when is Deep.ALWAYS:
            wanted = np.ones(len(lines), dtype=bool)
        else:
            languages = [line.language.code for line in lines]
            wanted = self._cascade.wanted(fast, languages, [held(line.normalised.text) for line in lines])
        asked: dict[int, asyncio.Future[Answer]] = {}
        for index in map(int, np.flatnonzero(wanted)):
            line = lines[index]
            try:
                question = Question(line.normalised.text, line.traceparent, line.tenant)
                asked[index] = self._deep.ask(question, deadline=line.deadline)
            except QueueFull as error:
                asked[index] = asyncio.get_running_loop().create_future()
                asked[index].set_exception(error)
        return asked

    def _finish(
        self,
        indexes: Sequence[int],
        asked: Mapping[int, asyncio.Future[Answer]],
        lines: Sequence[Line],
        fast: NDArray[np.float32],
        clock: _Clock,
    ) -> list[Scored]:
        scored, answered = [], []
        for index in indexes:
            error = asked[index].exception()
            if error is None:
                answered.append(index)
                continue
            missed = "out_of_time" if isinstance(error, DeadlinePassed | OutOfTime) else "unavailable"
            log.info("deep_tier_missed", reason=missed, error=type(error).__name__)
            signals = self._signals(lines[index], self._cascade.of_fast(fast[index]), missed)
            signals.degraded.append("deep_tier")
            scored.append(Scored(index, signals, list(clock.stages)))
        if answered:
            reason = "forced" if self._when is Deep.ALWAYS else "uncertain"
            answers = [asked[index].result() for index in answered]
            both = self._cascade.of_both(fast[answered], np.stack([answer.probabilities for answer in answers]))
            for index, answer, scores in zip(answered, answers, both, strict=True):
                signals = self._signals(lines[index], scores, reason)
                scored.append(Scored(index, signals, [*clock.stages, clock.deep_stage(answer)]))
        return scored

    def _signals(self, line: Line, scores: NDArray[np.float32], deep_reason: str) -> signals_pb2.Signals:
        signals = signals_pb2.Signals(
            language=line.language.code,
            language_confidence=line.language.confidence,
            normaliser_version=NORMALISER,
            release=self._release.name,
            lists_version=line.lists_version,
            tiers=[
                signals_pb2.TierUse(name="terms", version=line.lists_version, reason="always"),
                signals_pb2.TierUse(name="fast_text", version=self._fast.version, reason="always"),
                signals_pb2.TierUse(name=MODEL, version=self._release.deep_version, reason=deep_reason),
            ],
            scores=[
                signals_pb2.Score(category=CATEGORIES[position], probability=float(scores[position]))
                for position in _ORDER
            ],
        )
        for hit in line.hits:
            start, end = line.normalised.original_span(hit.start, hit.end)
            signals.spans.add(start=start, end=end, category=hit.category, source="terms", term_id=hit.entry_id)
        for position in map(int, np.flatnonzero(scores >= _SPAN_FROM)):
            found = self._fast.span(line.normalised.text, position)
            if found is not None:
                start, end = line.normalised.original_span(*found)
                signals.spans.add(start=start, end=end, category=CATEGORIES[position], source="fast_text")
        return signals


async def _as_answered(asked: Mapping[int, asyncio.Future[Answer]]) -> AsyncIterator[list[int]]:
    """The indexes of what has been answered or has failed, as it comes: what comes together, together."""
    ready: list[int] = []
    come = asyncio.Event()

    def note(index: int, _: asyncio.Future[Answer]) -> None:
        ready.append(index)
        come.set()

    for index, future in asked.items():
        future.add_done_callback(partial(note, index))
    left = len(asked)
    while left:
        await come.wait()
        come.clear()
        now, ready[:] = ready[:], []
        left -= len(now)
        yield now


def _count(lines: Sequence[Line], asked: Mapping[int, object]) -> None:
    tried = sum(line.tried for line in lines)
    if not tried:
        DEEP_SHARE.labels("yes").inc(len(asked))
        DEEP_SHARE.labels("no").inc(len(lines) - len(asked))


class _Clock:
    """Stages of one list, as offsets from its start."""

    def __init__(self, batch_size: int) -> None:
        self._began = self._last = time.perf_counter()
        self._batch_size = batch_size
        self.stages: list[item_pb2.HopTiming.Stage] = []

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.stages.append(self._stage(name, self._last, now, self._batch_size))
        self._last = now

    def deep_stage(self, answer: Answer) -> item_pb2.HopTiming.Stage:
        stage = self._stage("triton", answer.asked, answer.asked + answer.seconds, answer.batch_size)
        stage.batch_trace_id, stage.batch_span_id = answer.trace_id, answer.span_id
        return stage

    def _stage(self, name: str, start: float, end: float, batch_size: int) -> item_pb2.HopTiming.Stage:
        return item_pb2.HopTiming.Stage(
            name=name,
            offset_micros=max(0, int((start - self._began) * 1e6)),
            duration_micros=max(0, int((end - start) * 1e6)),
            batch_size=batch_size,
        )
