"""A shadow: it says its word when it can, holds up nobody, and changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.detection.releases.deciding import ReleasedScorer
from services.detection.releases.line_up import LineUp
from services.detection.releases.loading import Places
from services.detection.releases.shadowing import Shadowing
from services.detection.scorer import Line, Scored
from services.runtime.background import end_tasks
from services.runtime.reloading import Fixed
from tests.unit.detection.releases.support import Breaks, Says, counted, line_up, plan_of

SHADOW = {"release": "text-2"}
LIMITS = {"hate": [0.5], "violence.threat": [0.9]}


def outcome(which: str) -> float:
    return counted("detection_shadow_lines_total", release="text-2", outcome=which)


def disagreed(category: str, above: str) -> float:
    return counted("detection_shadow_disagreements_total", release="text-2", category=category, above=above)


@asynccontextmanager
async def shadowing(most: int = 64, busy_from: int = 64) -> AsyncIterator[Shadowing]:
    made = Shadowing(most=most, busy_from=busy_from)
    task = asyncio.create_task(made.run())
    yield made
    await end_tasks([task])


async def until(outcome_is: str, more_than: float) -> None:
    async with asyncio.timeout(5):
        while outcome(outcome_is) <= more_than:
            await asyncio.sleep(0)


async def scored(up: LineUp, made: Shadowing, lines: list[Line]) -> list[Scored]:
    return [one async for part in ReleasedScorer(Fixed(up), made).score(lines) for one in part]


@pytest.fixture
def up(places: Places, tmp_path: Path) -> LineUp:
    plan = plan_of(places, tmp_path, live="text-1", shadow=SHADOW, limits=LIMITS)
    return line_up(plan, {"text-1": Says(0.25), "text-2": Says(0.75)})


def with_shadow(up: LineUp, live: Says, shadow: Says) -> LineUp:
    return line_up(up.plan, {"text-1": live, "text-2": shadow})


async def test_a_shadow_that_is_ready_stands_beside_what_was_decided(up: LineUp) -> None:
    live, before = Says(0.25, held=True), outcome("in_time")
    up = with_shadow(up, live, Says(0.75))
    async with shadowing() as made:
        deciding = asyncio.create_task(scored(up, made, [Line("gg")]))
        async with asyncio.timeout(5):
            while not up.running["text-2"].scorer.texts:  # type: ignore[attr-defined]
                await asyncio.sleep(0)
            while up.running["text-2"].lines:
                await asyncio.sleep(0)
        live.go.set()
        (one,) = await deciding
    assert one.signals.shadow.version == "text-2"
    assert [round(score.probability, 3) for score in one.signals.shadow.scores] == [0.75, 0.75]
    assert [round(score.probability, 3) for score in one.signals.scores] == [0.25, 0.25]
    assert outcome("in_time") == before + 1


async def test_a_late_shadow_holds_up_nobody_and_is_compared_all_the_same(up: LineUp) -> None:
    shadow, late = Says(0.75, held=True), outcome("late")
    hate, threat = disagreed("hate", "shadow"), disagreed("violence.threat", "shadow")
    up = with_shadow(up, Says(0.25), shadow)
    async with shadowing() as made:
        (one,) = await asyncio.wait_for(scored(up, made, [Line("gg")]), 5)
        assert not one.signals.HasField("shadow")
        assert outcome("late") == late
        shadow.go.set()
        await until("late", late)
    assert disagreed("hate", "shadow") == hate + 1, "0.25 and 0.75 lie on either side of 0.5"
    assert disagreed("violence.threat", "shadow") == threat, "and not of 0.9"


async def test_what_the_live_release_alone_would_act_on_is_told_apart(up: LineUp) -> None:
    late, live = outcome("late"), disagreed("hate", "live")
    async with shadowing() as made:
        await scored(with_shadow(up, Says(0.75), Says(0.25)), made, [Line("gg")])
        await until("late", late)
    assert disagreed("hate", "live") == live + 1


async def test_what_there_is_no_room_for_is_not_scored(up: LineUp) -> None:
    full, late = outcome("full"), outcome("late")
    async with shadowing(most=4) as made:
        await scored(up, made, [Line(f"line {number}") for number in range(10)])
        await until("late", late + 3)
    assert outcome("full") == full + 6


async def test_under_load_the_shadow_is_given_up_first(up: LineUp) -> None:
    busy, shadow = outcome("busy"), Says(0.75)
    live = Says(0.25, held=True)
    up = with_shadow(up, live, shadow)
    async with shadowing(busy_from=5) as made:
        deciding = asyncio.create_task(scored(up, made, [Line(f"line {number}") for number in range(6)]))
        await until("busy", busy + 5)
        live.go.set()
        assert len(await deciding) == 6
    assert shadow.texts == []


async def test_a_shadow_that_breaks_breaks_nothing_else(up: LineUp) -> None:
    failed, late = outcome("failed"), outcome("late")
    broken = with_shadow(up, Says(0.25), Breaks(0))
    async with shadowing() as made:
        assert len(await scored(broken, made, [Line("gg")])) == 1
        await until("failed", failed)
        await scored(up, made, [Line("gg")])
        await until("late", late)


async def test_a_shadow_without_its_deep_tier_is_not_compared(up: LineUp) -> None:
    incomplete = outcome("incomplete")
    compared = counted("detection_shadow_compared_total", release="text-2")
    async with shadowing() as made:
        await scored(with_shadow(up, Says(0.25), Says(0.75, degraded=["deep_tier"])), made, [Line("gg")])
        await until("incomplete", incomplete)
    assert counted("detection_shadow_compared_total", release="text-2") == compared


async def test_a_shadow_that_has_gone_is_not_asked(up: LineUp) -> None:
    over, shadow = outcome("over"), up.running["text-2"]
    await shadow.retire()
    async with shadowing() as made:
        await scored(up, made, [Line("gg")])
        await until("over", over)
    assert shadow.scorer.texts == []  # type: ignore[attr-defined]


async def test_a_percentage_of_items_is_tried(places: Places, tmp_path: Path) -> None:
    plan = plan_of(places, tmp_path, live="text-1", shadow={**SHADOW, "percent": 50, "seed": "a"})
    shadow = Says(0.75)
    up, late = line_up(plan, {"text-1": Says(0.25), "text-2": shadow}), outcome("late")
    lines = [Line(f"line {number}", item=str(number)) for number in range(60)]
    async with shadowing() as made:
        await scored(up, made, lines)
        wanted = [line.text for line in lines if up.shadow is not None and up.shadow.gets(line)]
        await until("late", late + len(wanted) - 1)
    assert shadow.texts == wanted
    assert 15 <= len(wanted) <= 45
