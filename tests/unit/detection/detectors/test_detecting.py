"""Lines through cascade and detectors: side by side, each line when it is ready, and for nothing where nobody looks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from moat.detection.v1 import signals_pb2

from services.detection.detectors.detecting import DetectingScorer
from services.detection.detectors.live import LiveDetectors
from services.detection.detectors.port import Answer, Found, NotThere, Question
from services.detection.exact_cache import CachingScorer, ExactCache
from services.detection.scorer import Line, Scored
from tests.support.detectors import INSULT, THREAT, Say, Scripted, read, silence, write


class Cascade:
    """Says 0.5 for an insult at once; of texts with a `?` later, when it is let."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.go.set()
        self.asked: list[str] = []

    def version(self, line: Line) -> str:
        return "lists"

    async def score(self, lines: Sequence[Line]) -> AsyncIterator[list[Scored]]:
        self.asked += [line.text for line in lines]
        for late in (False, True):
            if late:
                await self.go.wait()
            yield [
                Scored(index, signals_pb2.Signals(scores=[signals_pb2.Score(category=INSULT, probability=0.5)]), [])
                for index, line in enumerate(lines)
                if line.text.endswith("?") is late
            ]


def detecting(folder: Path, *scripted: Scripted) -> tuple[Cascade, DetectingScorer]:
    cascade = Cascade()
    return cascade, DetectingScorer(cascade, LiveDetectors(read(folder, *scripted)))


def lines(*texts: str, tenant: str = "t", deadline: float | None = None) -> list[Line]:
    return [Line(text, tenant=tenant, environment="production", surface="chat", deadline=deadline) for text in texts]


async def all_of(scorer: DetectingScorer | CachingScorer, asked: Sequence[Line]) -> list[signals_pb2.Signals]:
    found = [one async for part in scorer.score(asked) for one in part]
    assert sorted(one.index for one in found) == list(range(len(asked))), "each line once"
    return [one.signals for one in sorted(found, key=lambda one: one.index)]


def told(signals: signals_pb2.Signals) -> list[tuple[str, str]]:
    return [(one.name, one.state) for one in signals.detectors]


def failing(error: Exception) -> Say:
    async def say(questions: Sequence[Question]) -> Sequence[Answer]:
        raise error

    return say


async def test_without_detectors_it_is_the_cascade_itself(tmp_path: Path) -> None:
    write(tmp_path, "one", uses="scripted", enabled=False)
    cascade, scorer = detecting(tmp_path, Scripted())
    given = lines("gg")
    parts = scorer.score(given)
    assert type(parts) is type(cascade.score(given)), "no generator around it, no task, no queue"
    assert parts.ag_code is Cascade.score.__code__  # type: ignore[attr-defined]
    assert scorer.version(given[0]) == "lists"


async def test_what_detectors_find_stands_beside_the_cascades_scores(tmp_path: Path) -> None:
    write(tmp_path, "b", uses="scripted")
    write(tmp_path, "a", uses="scripted")
    _, scorer = detecting(tmp_path, Scripted())
    parts = [one async for part in scorer.score(lines("bad", "gg?")) for one in part]
    assert [[(stage.name, stage.batch_size) for stage in one.stages] for one in parts] == [[("detectors", 2)]] * 2
    first, second = await all_of(scorer, lines("bad", "gg?"))
    assert told(first) == told(second) == [("a", "answered"), ("b", "answered")]
    assert first.detectors[0].scores[0].probability == pytest.approx(0.9)
    assert second.detectors[0].scores[0].probability == pytest.approx(0.1)
    assert first.scores[0].probability == pytest.approx(0.5)
    assert not first.degraded


async def test_they_run_while_the_cascade_still_works(tmp_path: Path) -> None:
    write(tmp_path, "one", uses="scripted")
    scripted = Scripted()
    cascade, scorer = detecting(tmp_path, scripted)
    cascade.go.clear()
    parts = scorer.score(lines("late?"))
    asking = asyncio.ensure_future(anext(parts))
    async with asyncio.timeout(5):
        while not scripted.calls:
            await asyncio.sleep(0)
    assert await asking == []
    cascade.go.set()
    assert [told(one.signals) async for part in parts for one in part] == [[("one", "answered")]]


async def test_a_line_that_nobody_looks_at_waits_for_no_detector(tmp_path: Path) -> None:
    write(tmp_path, "one", uses="scripted", tenants=["slow"])
    _, scorer = detecting(tmp_path, Scripted(silence))
    parts = scorer.score([*lines("gg"), *lines("gg", tenant="slow", deadline=time.monotonic() + 0.05)])
    first = await anext(parts)
    assert [(one.index, told(one.signals)) for one in first] == [(0, [])]
    rest = [(one.index, told(one.signals)) async for part in parts for one in part]
    assert rest == [(1, [("one", "out_of_time")])]


async def test_one_that_is_asked_when_uncertain_is_asked_only_then(tmp_path: Path) -> None:
    for name, least, most in (("below", 0.6, 0.9), ("within", 0.4, 0.6), ("above", 0.1, 0.4)):
        write(tmp_path, name, uses="scripted", ask="uncertain", between={INSULT: {"from": least, "to": most}})
    write(tmp_path, "unknown", uses="scripted", ask="uncertain", between={THREAT: {"from": 0.1, "to": 0.9}})
    scripted = Scripted()
    _, scorer = detecting(tmp_path, scripted)
    (found,) = await all_of(scorer, lines("gg"))
    assert told(found) == [("within", "answered")]
    assert len(scripted.calls) == 1


@pytest.mark.parametrize("required", [True, False])
async def test_only_a_detector_that_is_required_leaves_a_line_degraded(tmp_path: Path, *, required: bool) -> None:
    write(tmp_path, "one", uses="scripted", required=required)
    _, scorer = detecting(tmp_path, Scripted(failing(NotThere("down"))))
    (found,) = await all_of(scorer, lines("gg"))
    assert told(found) == [("one", "unavailable")]
    assert list(found.degraded) == (["detectors"] if required else [])


async def test_the_answer_leaves_before_the_lines_own_deadline(tmp_path: Path) -> None:
    write(tmp_path, "one", uses="scripted", deadline_ms=30_000)
    _, scorer = detecting(tmp_path, Scripted(silence))
    deadline = time.monotonic() + 0.2
    (found,) = await all_of(scorer, lines("gg", deadline=deadline))
    assert told(found) == [("one", "out_of_time")]


async def test_what_the_cascade_raises_is_raised_and_nobody_is_asked_any_more(tmp_path: Path) -> None:
    class Broken(Cascade):
        async def score(self, lines: Sequence[Line]) -> AsyncIterator[list[Scored]]:
            yield []
            raise LookupError

    write(tmp_path, "one", uses="scripted")
    scorer = DetectingScorer(Broken(), LiveDetectors(read(tmp_path, Scripted(silence))))
    with pytest.raises(LookupError):
        await all_of(scorer, lines("gg"))
    assert len(asyncio.all_tasks()) <= 2, "this test, and a call that is being given up"


async def test_a_caller_that_goes_away_leaves_nobody_working(tmp_path: Path) -> None:
    write(tmp_path, "one", uses="scripted", deadline_ms=30_000)
    scripted = Scripted(silence)
    cascade, scorer = detecting(tmp_path, scripted)
    cascade.go.clear()
    parts = scorer.score(lines("gg", "late?"))
    assert await anext(parts) == []
    async with asyncio.timeout(5):
        while not scripted.calls:
            await asyncio.sleep(0)
    await parts.aclose()  # type: ignore[attr-defined]
    left = [task for task in asyncio.all_tasks() if "Coalescer" not in repr(task.get_coro())]
    assert left == [asyncio.current_task()], "but the call itself, whose time is the detector's own"


async def test_the_exact_cache_keeps_whole_answers_alone_and_for_one_set_of_detectors(tmp_path: Path) -> None:
    write(tmp_path, "one", uses="scripted", budget={"cost_micros": 5})
    scripted = Scripted(failing(NotThere("down")))
    cascade = Cascade()
    live = LiveDetectors(read(tmp_path, scripted))
    caching = CachingScorer(DetectingScorer(cascade, live), ExactCache(entries=10, tenant_entries=10, seconds=60))

    async def found() -> list[tuple[str, str]]:
        (signals,) = await all_of(caching, lines("gg"))
        return told(signals)

    assert await found() == [("one", "unavailable")]
    scripted.say = answered
    assert await found() == [("one", "answered")]
    (again,) = await all_of(caching, lines("gg"))
    assert (told(again), again.detectors[0].cost_micros) == ([("one", "answered")], 0)
    assert len(scripted.calls) == 2, "the last one came out of the cache"
    write(tmp_path, "two", uses="scripted")
    live.change(read(tmp_path, scripted))
    assert await found() == [("one", "answered"), ("two", "answered")]
    live.change(())
    assert await found() == []
    assert cascade.asked == ["gg"] * 4


async def answered(questions: Sequence[Question]) -> Sequence[Answer]:
    return [Found({INSULT: 0.5}) for _ in questions]
