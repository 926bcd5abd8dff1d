"""Which release decides about a line, and what is remembered of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import cast

import pytest

from services.detection.exact_cache import CachingScorer, ExactCache
from services.detection.releases.deciding import ReleasedScorer
from services.detection.releases.line_up import LineUp
from services.detection.releases.loading import Places
from services.detection.releases.shadowing import Shadowing
from services.detection.scorer import Line, Scored
from services.runtime.reloading import Fixed
from tests.unit.detection.releases.support import Breaks, Says, counted, line_up, plan_of

LINES = [Line(f"line {number}", tenant="demo", environment="production", item=str(number)) for number in range(200)]
HALF = {"release": "text-2", "percent": 50, "seed": "a"}


def scorer(line_up: LineUp) -> ReleasedScorer:
    return ReleasedScorer(Fixed(line_up), Shadowing(most=8, busy_from=100))


async def scored(scorer: ReleasedScorer | CachingScorer, lines: list[Line]) -> list[Scored]:
    found = [one async for part in scorer.score(lines) for one in part]
    assert sorted(one.index for one in found) == list(range(len(lines)))
    return sorted(found, key=lambda one: one.index)


def probabilities(found: list[Scored]) -> list[float]:
    return [round(one.signals.scores[0].probability, 3) for one in found]


async def test_with_nothing_tried_the_live_release_decides_everything(places: Places, tmp_path: Path) -> None:
    before = counted("detection_release_lines_total", release="text-1", arm="live")
    up = line_up(plan_of(places, tmp_path, live="text-1"), {"text-1": Says(0.25)})
    assert set(probabilities(await scored(scorer(up), LINES))) == {0.25}
    assert counted("detection_release_lines_total", release="text-1", arm="live") == before + len(LINES)


async def test_a_canary_decides_its_share_and_each_result_stands_at_its_line(places: Places, tmp_path: Path) -> None:
    live, canary = Says(0.25), Says(0.75)
    up = line_up(plan_of(places, tmp_path, live="text-1", canary=HALF), {"text-1": live, "text-2": canary})
    first = probabilities(await scored(scorer(up), LINES))
    assert 70 <= first.count(0.75) <= 130
    assert {line.text for line, one in zip(LINES, first, strict=True) if one == 0.75} == set(canary.texts)
    assert probabilities(await scored(scorer(up), LINES)) == first, "the same items, the same release"


async def test_a_canary_is_for_its_tenants_alone(places: Places, tmp_path: Path) -> None:
    plan = plan_of(places, tmp_path, live="text-1", canary={**HALF, "percent": 100, "tenants": ["arena"]})
    up = line_up(plan, {"text-1": Says(0.25), "text-2": Says(0.75)})
    lines = [Line("gg", tenant=tenant, item="1") for tenant in ("demo", "arena", "harbor")]
    assert probabilities(await scored(scorer(up), lines)) == [0.25, 0.75, 0.25]


async def test_what_is_quick_does_not_wait_for_the_other_release(places: Places, tmp_path: Path) -> None:
    up = line_up(
        plan_of(places, tmp_path, live="text-1", canary=HALF), {"text-1": Says(0.25), "text-2": Says(0.75, held=True)}
    )
    parts = cast("AsyncGenerator[list[Scored], None]", scorer(up).score(LINES))
    first = await asyncio.wait_for(anext(parts), 5)
    assert probabilities(first) == [0.25]
    await parts.aclose()
    assert up.live.lines == up.running["text-2"].lines == 0


async def test_what_one_release_raises_ends_the_list(places: Places, tmp_path: Path) -> None:
    up = line_up(plan_of(places, tmp_path, live="text-1", canary=HALF), {"text-1": Says(0.25), "text-2": Breaks(0)})
    with pytest.raises(RuntimeError, match="broken"):
        await scored(scorer(up), LINES)


async def test_a_text_is_not_remembered_across_releases(places: Places, tmp_path: Path) -> None:
    (tmp_path / "fast_text/1/cascade.json").write_text("text-2 and -3 have other numbers")
    plan = plan_of(places, tmp_path, live="text-2")
    current = Fixed(line_up(plan, {"text-2": Says(0.25)}))
    caching = CachingScorer(
        ReleasedScorer(current, Shadowing(most=8, busy_from=100)), ExactCache(entries=9, tenant_entries=9, seconds=60)
    )
    assert probabilities(await scored(caching, [Line("gg")])) == [0.25]
    (tmp_path / "fast_text/1/cascade.json").write_text("and these are others again")
    current.current = line_up(plan_of(places, tmp_path, live="text-3"), {"text-3": Says(0.75)})
    assert probabilities(await scored(caching, [Line("gg")])) == [0.75]
    assert probabilities(await scored(caching, [Line("gg")])) == [0.75]
    assert len(current.current.live.scorer.texts) == 1  # type: ignore[attr-defined]
