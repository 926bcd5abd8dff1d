"""One detector and its guards: every way in which it may not answer has a name, and harms nobody else."""

from __future__ import annotations

import asyncio
import datetime
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from moat.detection.v1 import signals_pb2

from services.detection.detectors.breaker import State
from services.detection.detectors.guarded import Guarded
from services.detection.detectors.ledger import Ledger
from services.detection.detectors.port import Answer, Found, Kind, NotThere, Question, WrongAnswer
from tests.support.detectors import INSULT, THREAT, Say, Scripted, read, silence, text, write

BRIEF: dict[str, Any] = {"deadline_ms": 20}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Guards:
    """A guarded, scripted detector, and what it hangs on."""

    def __init__(self, folder: Path, say: Say | None = None, **fields: Any) -> None:  # noqa: ANN401 - whatever a file may say
        self.scripted = Scripted(say)
        write(folder, "one", uses="scripted", **fields)
        self.clock, self.day = Clock(), datetime.date(2026, 11, 27)
        self.ledger = Ledger(day=lambda: self.day)
        (prepared,) = read(folder, self.scripted)
        self.guarded = Guarded(prepared, self.scripted, self.ledger, clock=self.clock)

    async def ask(
        self, content: str = "bad", *, deadline: float | None = None, tenant: str = "t"
    ) -> signals_pb2.DetectorFinding:
        return await self.guarded.ask(text(content, tenant), deadline=deadline)

    async def state(self, content: str = "bad", *, deadline: float | None = None, tenant: str = "t") -> str:
        return (await self.ask(content, deadline=deadline, tenant=tenant)).state


def saying(answer: Answer | BaseException) -> Say:
    async def say(questions: Sequence[Question]) -> Sequence[Answer]:
        if isinstance(answer, Found | WrongAnswer):
            return [answer for _ in questions]
        raise answer

    return say


async def test_what_it_says_is_told_with_its_name_version_and_cost(tmp_path: Path) -> None:
    guards = Guards(tmp_path, saying(Found({THREAT: 0.25, INSULT: 1}, cost_micros=7)))
    finding = await guards.ask()
    assert (finding.name, finding.state, finding.cost_micros) == ("one", "answered", 7)
    assert finding.version == guards.guarded.prepared.version
    assert [(one.category, one.probability) for one in finding.scores] == [(INSULT, 1), (THREAT, 0.25)]


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (Found({INSULT: math.nan}), "failed"),
        (Found({INSULT: math.inf}), "failed"),
        (Found({INSULT: 1.0001}), "failed"),
        (Found({INSULT: -0.1}), "failed"),
        (Found({"hate": 0.5}), "failed"),
        (Found({INSULT: 0.5}, cost_micros=-1), "failed"),
        (Found({INSULT: 0.5}, cost_micros=10**16), "failed"),
        (WrongAnswer("nonsense"), "failed"),
        (ZeroDivisionError(), "failed"),
        (NotThere("gone"), "unavailable"),
        (Found({}), "answered"),
    ],
)
async def test_what_cannot_be_believed_has_failed(tmp_path: Path, answer: Answer | Exception, state: str) -> None:
    finding = await Guards(tmp_path, saying(answer)).ask()
    assert finding.state == state
    assert not finding.scores


async def test_one_bad_answer_does_not_take_the_others_of_its_list_with_it(tmp_path: Path) -> None:
    async def say(questions: Sequence[Question]) -> Sequence[Answer]:
        return [Found({INSULT: math.nan if "odd" in one.text else 0.5}) for one in questions]

    guards = Guards(tmp_path, say, max_list=8)
    states = await asyncio.gather(*(guards.state(one) for one in ("a", "odd", "b")))
    assert states == ["answered", "failed", "answered"]
    assert len(guards.scripted.calls) == 1


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_an_answer_too_few_or_too_many_is_nobodys(tmp_path: Path, count: int) -> None:
    async def say(questions: Sequence[Question]) -> Sequence[Answer]:
        return [Found({INSULT: 0.5})] * count

    guards = Guards(tmp_path, say, max_list=8)
    states = await asyncio.gather(guards.state("a"), guards.state("b"))
    assert list(states) == ["failed", "failed"]


async def test_it_is_waited_for_as_long_as_its_file_says(tmp_path: Path) -> None:
    assert await Guards(tmp_path, silence, **BRIEF).state() == "out_of_time"


async def test_an_item_does_not_wait_beyond_its_own_deadline_and_that_is_not_the_detectors_fault(
    tmp_path: Path,
) -> None:
    guards = Guards(tmp_path, silence, breaker={"failures": 1}, concurrency=8)
    for seconds in (0.01, 0, -1):
        assert await guards.state(deadline=time.monotonic() + seconds) == "out_of_time"
    assert guards.guarded.breaker.state is State.CLOSED


async def test_one_that_hangs_opens_its_breaker(tmp_path: Path) -> None:
    guards = Guards(tmp_path, silence, breaker={"failures": 2, "calls": 2}, **BRIEF)
    for _ in range(2):
        assert await guards.state() == "out_of_time"
    # A call ends a moment after whoever waited for it.
    async with asyncio.timeout(10):
        while guards.guarded.breaker.state is State.CLOSED:
            await asyncio.sleep(0.001)
    assert [await guards.state() for _ in range(2)] == ["unavailable", "unavailable"]
    assert len(guards.scripted.calls) == 2


async def test_a_breaker_that_opened_closes_when_it_works_again(tmp_path: Path) -> None:
    guards = Guards(tmp_path, saying(NotThere("down")), breaker={"failures": 1, "seconds": 30})
    assert [await guards.state() for _ in range(3)] == ["unavailable"] * 3
    assert len(guards.scripted.calls) == 1
    guards.clock.now += 31
    assert await guards.state() == "unavailable"
    assert len(guards.scripted.calls) == 2, "one try, which failed"
    guards.scripted.say = saying(Found({INSULT: 0.5}))
    assert await guards.state() == "unavailable"
    guards.clock.now += 31
    assert [await guards.state() for _ in range(2)] == ["answered", "answered"]
    assert len(guards.scripted.calls) == 4


async def test_while_one_tries_whether_it_works_again_the_others_do_without(tmp_path: Path) -> None:
    guards = Guards(tmp_path, saying(NotThere("down")), breaker={"failures": 1, "seconds": 30})
    await guards.state()
    guards.clock.now += 31
    go = asyncio.Event()

    async def say(questions: Sequence[Question]) -> Sequence[Answer]:
        await go.wait()
        return [Found({INSULT: 0.5})]

    guards.scripted.say = say
    first = asyncio.create_task(guards.state())
    while len(guards.scripted.calls) < 2:
        await asyncio.sleep(0)
    assert await guards.state() == "unavailable"
    go.set()
    assert await first == "answered"


@pytest.mark.parametrize("answer", [WrongAnswer("nonsense"), Found({INSULT: math.nan}), ZeroDivisionError()])
async def test_contents_that_confuse_it_do_not_turn_it_off_for_others(
    tmp_path: Path, answer: Answer | Exception
) -> None:
    guards = Guards(tmp_path, saying(answer), breaker={"failures": 1})
    assert [await guards.state() for _ in range(5)] == ["failed"] * 5
    guards.scripted.say = saying(Found({INSULT: 0.5}))
    assert await guards.state() == "answered"


async def test_no_more_is_spent_than_the_budget_has_and_the_next_day_begins_anew(tmp_path: Path) -> None:
    guards = Guards(tmp_path, budget={"micros_a_day": 100, "cost_micros": 40, "tenants": {"rich": 200}})
    assert [await guards.state() for _ in range(3)] == ["answered", "answered", "over_budget"]
    assert [await guards.state(tenant="rich") for _ in range(6)].count("answered") == 5
    assert (await guards.ask()).cost_micros == 0
    guards.day += datetime.timedelta(days=1)
    assert await guards.state() == "answered"
    assert guards.ledger.spent("one", "t") == 40


async def test_what_was_never_sent_costs_nothing_and_what_was_sent_in_vain_does(tmp_path: Path) -> None:
    budget = {"micros_a_day": 1000, "cost_micros": 40}
    guards = Guards(tmp_path, silence, budget=budget, concurrency=1, **BRIEF)
    findings = await asyncio.gather(guards.ask(), guards.ask())
    assert [(one.state, one.cost_micros) for one in findings] == [("out_of_time", 40), ("out_of_time", 0)]
    assert guards.ledger.spent("one", "t") == 40


async def test_what_it_says_it_cost_is_what_counts(tmp_path: Path) -> None:
    guards = Guards(tmp_path, saying(Found({INSULT: 0.5}, 95)), budget={"micros_a_day": 100, "cost_micros": 40})
    assert [await guards.state() for _ in range(2)] == ["answered", "over_budget"]
    assert guards.ledger.spent("one", "t") == 95


async def test_lists_are_as_long_as_its_file_says_and_of_one_tenant(tmp_path: Path) -> None:
    guards = Guards(tmp_path, max_list=3, concurrency=1)
    asking = [guards.ask(f"{tenant}{number}", tenant=tenant) for tenant in "aab" for number in range(2)]
    await asyncio.gather(*asking)
    assert [[one.text for one in call] for call in guards.scripted.calls] == [
        ["a0", "a1", "a0"],
        ["b0", "b1"],
        ["a1"],
    ]


async def test_a_tenant_that_floods_it_fills_its_own_queue_and_has_every_other_turn(tmp_path: Path) -> None:
    guards = Guards(tmp_path, concurrency=1, queue=8)
    flood = [asyncio.create_task(guards.state(tenant="loud")) for _ in range(50)]
    quiet = [asyncio.create_task(guards.state(tenant="quiet")) for _ in range(3)]
    await asyncio.wait([*flood, *quiet])
    assert [one.result() for one in quiet] == ["answered"] * 3
    assert [one.result() for one in flood].count("unavailable") == 42
    turns = [call[0].tenant for call in guards.scripted.calls]
    assert turns.index("quiet") < 2
    assert max(position for position, tenant in enumerate(turns) if tenant == "quiet") < 6


async def test_of_a_long_text_it_sees_the_beginning(tmp_path: Path) -> None:
    guards = Guards(tmp_path, max_characters=5)
    question = Question(Kind.TEXT, "badly", language="en", tenant="t", environment="e", surface="s")
    await guards.guarded.ask(
        Question(Kind.TEXT, "badly said", language="en", tenant="t", environment="e", surface="s"), deadline=None
    )
    assert guards.scripted.calls == [[question]]


async def test_somebody_who_no_longer_waits_costs_nothing_that_was_not_sent(tmp_path: Path) -> None:
    guards = Guards(tmp_path, silence, concurrency=1, budget={"micros_a_day": 1000, "cost_micros": 40})
    waiting = [asyncio.create_task(guards.ask()) for _ in range(3)]
    while not guards.scripted.calls:
        await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    assert guards.ledger.spent("one", "t") == 40


async def test_closing_lets_a_call_end_first(tmp_path: Path) -> None:
    go = asyncio.Event()

    async def say(questions: Sequence[Question]) -> Sequence[Answer]:
        await go.wait()
        return [Found({INSULT: 0.5})]

    guards = Guards(tmp_path, say)
    asking = asyncio.create_task(guards.state())
    while not guards.scripted.calls:
        await asyncio.sleep(0)
    closing = asyncio.create_task(guards.guarded.close())
    await asyncio.sleep(0)
    assert guards.scripted.closed == 0
    go.set()
    assert await asking == "answered"
    await closing
    assert guards.scripted.closed == 1
