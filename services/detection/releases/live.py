"""The releases that run, and how they become others: what is new answers first, then it decides, then what is gone ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from services.detection.releases import metrics
from services.detection.releases.line_up import LineUp
from services.detection.releases.loading import Plan, Release
from services.detection.releases.running import Running, Tiers
from services.runtime.background import end_tasks
from services.runtime.logs import log

_LOOK_SECONDS = 5.0
_AGAIN_SECONDS = 1.0

Assemble = Callable[[Release, Tiers], Running]
Load = Callable[[Release], Tiers]
Ready = Callable[[str], Awaitable[None]]
"""Returns when this version of the deep model answers; raises while it does not."""


class LiveReleases:
    """A `Current` of line-ups. Belongs to one event loop."""

    def __init__(self, plan: Plan, assemble: Assemble, ready: Ready, load: Load = Tiers.load) -> None:
        """Starts with `plan` as it is, whether the deep models answer or not: without them there are cheaper tiers. Raises what
        `load` raises, which is called in a thread later on."""
        self._assemble = assemble
        self._load = load
        self._ready = ready
        self._wanted = plan
        self._changed = asyncio.Event()
        self._quiet = False
        """It has been said that something does not answer."""
        self._retiring: set[asyncio.Task[None]] = set()
        running = {name: assemble(release, load(release)) for name, release in plan.releases.items()}
        self.current = LineUp(plan, running)
        self._tell()

    def change(self, plan: Plan) -> None:
        """`plan` shall hold. The one before does until every release of this one answers."""
        self._wanted, self._quiet = plan, False
        self._changed.set()

    async def run(self) -> None:
        """Until it is cancelled. Also loads again what a Triton that was started anew has not."""
        while True:
            wanted = self._wanted
            self._changed.clear()
            settled = await self._settle(wanted)
            metrics.WAITING.set(not settled)
            self._quiet = not settled
            try:
                async with asyncio.timeout(_LOOK_SECONDS if settled else _AGAIN_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def close(self) -> None:
        """Ends all of them."""
        await end_tasks(self._retiring)
        for running in self.current.running.values():
            await running.close()

    async def _settle(self, wanted: Plan) -> bool:
        """Whether `wanted` holds, and everything of it answers."""
        opened: dict[str, Running] = {}
        try:
            for release in wanted.releases.values():
                await self._ready(release.deep_version)
            for name, release in wanted.releases.items():
                if self._known(release) is None:
                    opened[name] = self._assemble(release, await asyncio.to_thread(self._load, release))
        except Exception as error:  # noqa: BLE001 - whatever it is, what runs goes on running
            if not self._quiet:
                log.warning("release_not_ready", error=str(error), releases=sorted(wanted.releases))
            for running in opened.values():
                await running.close()
            return False
        if wanted is not self.current.plan:
            self._flip(wanted, opened)
        return True

    def _flip(self, plan: Plan, opened: dict[str, Running]) -> None:
        before = self.current
        running = {name: opened.get(name) or self._kept(release) for name, release in plan.releases.items()}
        self.current = LineUp(plan, running)
        for name, one in before.running.items():
            if one not in running.values():
                metrics.ROLES.labels(name, "draining").inc()
                task = asyncio.get_running_loop().create_task(self._retire(name, one))
                self._retiring.add(task)
                task.add_done_callback(self._retiring.discard)
        self._tell(before)
        log.info("releases_changed", **self.current.roles)

    def _known(self, release: Release) -> Running | None:
        known = self.current.running.get(release.name)
        return known if known is not None and known.release.document == release.document else None

    def _kept(self, release: Release) -> Running:
        known = self._known(release)
        assert known is not None
        return known

    async def _retire(self, name: str, running: Running) -> None:
        await running.retire()
        metrics.ROLES.labels(name, "draining").dec()
        log.info("release_drained", release=name)

    def _tell(self, before: LineUp | None = None) -> None:
        for role, name in before.roles.items() if before is not None else ():
            metrics.ROLES.labels(name, role).set(0)
        for role, name in self.current.roles.items():
            metrics.ROLES.labels(name, role).set(1)
