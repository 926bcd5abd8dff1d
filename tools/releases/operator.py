"""Loads, tries, switches and rolls back releases of one local mesh, in the order in which nothing fails meanwhile."""

from __future__ import annotations

import fcntl
import getpass
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import yaml

from services.detection.files import plan_files
from services.detection.releases.deep_versions import DeepVersions
from services.detection.releases.document import Canary, PlanDocument, Shadow
from services.detection.releases.history import ROLLBACK, SWITCH, Entry, History, release_before
from services.detection.releases.loading import BadRelease, Plan, Release, load_plan, load_release
from services.detection.settings import DetectionSettings
from services.runtime.settings import load_settings
from services.runtime.topology import Topology
from tools.launcher.files import write_atomically
from tools.releases.seen import until

_TAKEN_SECONDS = 60.0
_DRAINED_SECONDS = 60.0
FoundT = TypeVar("FoundT")
Tell = Callable[[str], None]


class NotTaken(Exception):
    """Something did not become so in time; the message says what holds now."""


class Operator:
    """Of the mesh that `topology` describes. Raises BadRelease, DependencyDown (Triton) or NotTaken."""

    def __init__(self, topology: Topology, *, running: bool, tell: Tell) -> None:
        """`running`: whether the mesh is up. If not, only files change. `tell` hears of each step."""
        self._topology = topology
        self._running = running
        self._tell = tell
        self.settings = load_settings(DetectionSettings, topology.process("detection").settings)
        state = topology.process("detection").state_dir
        self._lock_file = state / "releases.lock"
        self.history = History(state / "releases.history.jsonl")

    @property
    def plan(self) -> Plan:
        """As it stands in the files."""
        return load_plan(plan_files(self._topology, self.settings), self.settings.places)

    async def loaded(self) -> list[str]:
        """Versions of the deep model that Triton has; none if the mesh is down."""
        return await self._with_triton(lambda triton: triton.versions.loaded()) if self._running else []

    async def load(self, name: str) -> None:
        """Reads all files of a release, and has its deep model answer."""
        release = self._release(name)
        release.verify(with_model=release.model.exists())
        if not self._running:
            return
        await self._with_triton(lambda triton: triton.ensure(release.deep_version))
        self._tell(f"deep_text {release.deep_version} answers")

    async def unload(self, name: str) -> None:
        """Lets go of a release's deep model, unless something that runs needs it."""
        await self._unload(self._release(name))

    async def canary(self, canary: Canary | None) -> None:
        """Gives a release a share of the items, or none any more."""
        await self._try("canary", canary)

    async def shadow(self, shadow: Shadow | None) -> None:
        """Has a release score beside the live one, or no more."""
        await self._try("shadow", shadow)

    async def switch(self, name: str, *, keep: bool = False) -> None:
        """Makes a release live. `keep` leaves the one before loaded."""
        with self._locked():
            plan = self.plan
            if plan.document.live == name:
                raise BadRelease(f"{name} is live already")
            without = {
                role: None
                for role, tried in (("canary", plan.document.canary), ("shadow", plan.document.shadow))
                if tried is not None and tried.release == name
            }
            await self._go(SWITCH, plan, plan.document.model_copy(update={"live": name, **without}), keep=keep)

    async def roll_back(self, *, keep: bool = False) -> str:
        """Makes live what was before the last switch, and ends what is tried; its name."""
        with self._locked():
            name = release_before(self.history.entries())
            if not name:
                raise BadRelease(f"no switch is left in {self.history.path} to roll back from")
            plan = self.plan
            document = plan.document.model_copy(update={"live": name, "canary": None, "shadow": None})
            await self._go(ROLLBACK, plan, document, keep=keep)
            return name

    async def _go(self, what: str, before: Plan, document: PlanDocument, *, keep: bool) -> None:
        await self.load(document.live)
        self._write(what, before, document)
        await self._taken("live", document.live)
        for release in before.releases.values():
            if release.name not in document.releases:
                await self._drained(release.name)
                if not keep:
                    await self._unload(release)

    async def _try(self, role: str, tried: Canary | Shadow | None) -> None:
        with self._locked():
            plan = self.plan
            # Anew, for the copy would not be checked.
            fields = plan.document.model_dump() | {role: None if tried is None else tried.model_dump()}
            document = PlanDocument.model_validate(fields)
            if tried is not None:
                await self.load(tried.release)
            self._write(role if tried is not None else f"{role} off", plan, document)
            if tried is not None:
                await self._taken(role, tried.release)

    def _write(self, what: str, before: Plan, document: PlanDocument) -> Entry:
        content = yaml.safe_dump(document.model_dump(mode="json", exclude_defaults=True), sort_keys=False)
        # First the word, then the deed: what cannot be told is not done.
        entry = self.history.add(_who(), what, before=before.document.live, plan=document)
        own, _ = plan_files(self._topology, self.settings)
        write_atomically(own, f"# Written by `moat releases`.\n{content}".encode())
        self._tell(f"plan written: {what}")
        return entry

    async def _taken(self, role: str, name: str) -> None:
        if not self._running:
            self._tell("the mesh is down: this holds from its next start")
            return
        port = self._topology.process("detection").metrics_port
        if not await until(port, lambda seen: (name, role) in seen, seconds=_TAKEN_SECONDS):
            raise NotTaken(
                f"detection has not made {name} {role} in {_TAKEN_SECONDS:g} s; what ran before goes on. See its log"
            )
        self._tell(f"{name} is {role}")

    async def _drained(self, name: str) -> None:
        port = self._topology.process("detection").metrics_port
        gone = self._running and await until(
            port, lambda seen: bool(seen) and all(release != name for release, _ in seen), seconds=_DRAINED_SECONDS
        )
        if self._running and not gone:
            raise NotTaken(f"{name} still answers lines after {_DRAINED_SECONDS:g} s; its model stays loaded")

    async def _unload(self, release: Release) -> None:
        used = {one.deep_version for one in self.plan.releases.values()}
        if not self._running or release.deep_version in used:
            return
        if await self._with_triton(lambda triton: triton.versions.unload(release.deep_version)):
            self._tell(f"deep_text {release.deep_version} is unloaded")

    def _release(self, name: str) -> Release:
        return load_release(self.settings.places, name)

    async def _with_triton(self, ask: Callable[[DeepVersions], Awaitable[FoundT]]) -> FoundT:
        triton = DeepVersions(f"{self._topology.triton.host}:{self._topology.triton.grpc}")
        try:
            return await ask(triton)
        finally:
            await triton.close()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One command at a time."""
        Path(self._lock_file).touch(mode=0o600)
        with self._lock_file.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise NotTaken("another `moat releases` is at work; wait for it to end") from None
            yield


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A uid that no passwd knows.
        return str(os.getuid())
