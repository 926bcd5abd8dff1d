"""How releases become others: nobody decides before it answers, and nobody ends before its last answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

from services.detection.releases.deciding import ReleasedScorer
from services.detection.releases.live import LiveReleases
from services.detection.releases.loading import Places, Plan, Release
from services.detection.releases.running import Running, Tiers
from services.detection.releases.shadowing import Shadowing
from services.detection.scorer import Line, Scored
from services.runtime.background import end_tasks
from services.runtime.errors import DependencyDown
from tests.unit.detection.releases.support import Says, counted, plan_of


class Servers:
    """Stands for Triton, and for what is made of releases."""

    def __init__(self) -> None:
        self.answers = True
        self.asked = 0
        self.opened: list[tuple[str, Says]] = []

    async def ready(self, version: str) -> None:
        self.asked += 1
        if not self.answers:
            raise DependencyDown(f"no answer from version {version}")

    def assemble(self, release: Release, tiers: Tiers) -> Running:
        says = Says(0.5, held=release.name == "text-1")
        self.opened.append((release.name, says))
        return Running(release, says, says.close)


def load(release: Release) -> Tiers:
    return cast("Tiers", None)


@asynccontextmanager
async def running(plan: Plan, servers: Servers) -> AsyncIterator[LiveReleases]:
    live = LiveReleases(plan, servers.assemble, servers.ready, load)
    task = asyncio.create_task(live.run())
    yield live
    await end_tasks([task])
    await live.close()
    assert all(says.closed for _, says in servers.opened)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


def role(name: str, role: str) -> float:
    return counted("detection_release", release=name, role=role)


async def test_a_release_that_answers_becomes_live(places: Places, tmp_path: Path) -> None:
    async with running(plan_of(places, tmp_path, live="text-1"), Servers()) as live:
        assert live.current.live.release.name == "text-1"
        live.change(plan_of(places, tmp_path, live="text-2"))
        await until(lambda: live.current.live.release.name == "text-2")
        assert (role("text-1", "live"), role("text-2", "live")) == (0, 1)


async def test_until_it_answers_the_one_before_decides(places: Places, tmp_path: Path) -> None:
    servers = Servers()
    async with running(plan_of(places, tmp_path, live="text-1"), servers) as live:
        await until(lambda: servers.asked > 0)
        servers.answers = False
        asked = servers.asked
        live.change(plan_of(places, tmp_path, live="text-2"))
        await until(lambda: servers.asked > asked + 1)
        assert live.current.live.release.name == "text-1"
        assert counted("detection_release_waiting") == 1
        servers.answers = True
        await until(lambda: live.current.live.release.name == "text-2")
        assert counted("detection_release_waiting") == 0


async def test_it_starts_without_the_deep_model(places: Places, tmp_path: Path) -> None:
    servers = Servers()
    servers.answers = False
    async with running(plan_of(places, tmp_path, live="text-2"), servers) as live:
        await until(lambda: servers.asked > 0)
        assert live.current.live.release.name == "text-2"


async def test_a_release_ends_after_its_last_answer(places: Places, tmp_path: Path) -> None:
    servers = Servers()
    async with running(plan_of(places, tmp_path, live="text-1"), servers) as live:
        ((_, says),) = servers.opened
        scorer = ReleasedScorer(live, Shadowing(most=1, busy_from=1))
        parts = cast("AsyncGenerator[list[Scored], None]", scorer.score([Line("gg")]))
        answer = asyncio.ensure_future(anext(parts))
        await until(lambda: says.texts == ["gg"])
        live.change(plan_of(places, tmp_path, live="text-2"))
        await until(lambda: live.current.live.release.name == "text-2")
        assert role("text-1", "draining") == 1
        assert not says.closed
        says.go.set()
        assert [one.index for one in await answer] == [0]
        await parts.aclose()
        await until(lambda: says.closed)
        await until(lambda: role("text-1", "draining") == 0)


async def test_what_stays_in_the_plan_goes_on_as_it_is(places: Places, tmp_path: Path) -> None:
    servers = Servers()
    async with running(plan_of(places, tmp_path, live="text-2"), servers) as live:
        before = live.current.live
        live.change(plan_of(places, tmp_path, live="text-2", shadow={"release": "text-3"}))
        await until(lambda: live.current.shadow is not None)
        assert live.current.live is before
        live.change(plan_of(places, tmp_path, live="text-3", canary={"release": "text-2", "percent": 1}))
        await until(lambda: live.current.canary is not None)
        assert [name for name, _ in servers.opened] == ["text-2", "text-3"]


async def test_a_release_whose_document_has_changed_is_opened_anew(places: Places, tmp_path: Path) -> None:
    servers = Servers()
    async with running(plan_of(places, tmp_path, live="text-2"), servers) as live:
        (places.fast_text / "1" / "cascade.json").write_text("other numbers")
        live.change(plan_of(places, tmp_path, live="text-2"))
        await until(lambda: len(servers.opened) == 2)
        await until(lambda: servers.opened[0][1].closed)
