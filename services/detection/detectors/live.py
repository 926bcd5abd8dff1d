"""The detectors that are on now. When files change, the others go on with their queues, breakers and connections."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from services.detection.detectors import metrics
from services.detection.detectors.guarded import Guarded
from services.detection.detectors.ledger import Ledger
from services.detection.detectors.loading import Prepared
from services.detection.detectors.port import Kind, Opening
from services.runtime.logs import log

_LINGER_SECONDS = 10.0
"""What a content may take in detection, and some."""


@dataclass(frozen=True, slots=True)
class Panel:
    """The detectors that look at the contents of one kind, of one tenant's environment, on one surface."""

    detectors: tuple[Guarded, ...]
    """By name."""
    version: str
    """Of all of them."""


class LiveDetectors:
    """Belongs to one event loop, in which it is made."""

    def __init__(self, prepared: Sequence[Prepared] = (), *, triton: str = "", ledger: Ledger | None = None) -> None:
        """Opens those that are enabled. `triton` is the address of its gRPC."""
        self._triton = triton
        self.ledger = Ledger() if ledger is None else ledger
        self._guarded: dict[str, Guarded] = {}
        self._panels: dict[tuple[Kind, str, str, str], Panel | None] = {}
        self._surfaces: frozenset[str] = frozenset()
        self._closing: set[asyncio.Task[None]] = set()
        self._ending = asyncio.Event()
        self.change(prepared)

    def change(self, prepared: Sequence[Prepared]) -> None:
        """Opens what is new, closes what is gone. What has changed is opened anew, with its breaker closed; what it has spent
        today stays spent."""
        wanted = {one.document.name: one for one in prepared if one.document.enabled}
        kept = {
            name: guarded
            for name, guarded in self._guarded.items()
            if name in wanted and wanted[name].digest == guarded.prepared.digest
        }
        for name in self._guarded.keys() - wanted.keys():
            metrics.forget(name)
        gone = [guarded for name, guarded in self._guarded.items() if name not in kept]
        self._guarded = {name: kept.get(name) or self._open(one) for name, one in wanted.items()}
        self._panels.clear()
        self._surfaces = frozenset().union(*(one.document.surfaces for one in wanted.values()))
        for guarded in gone:
            task = asyncio.get_running_loop().create_task(self._retire(guarded))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        log.info("detectors_on", names=sorted(wanted))

    @property
    def on(self) -> bool:
        """Whether there is any."""
        return bool(self._guarded)

    def panel(self, kind: Kind, *, tenant: str, environment: str, surface: str) -> Panel | None:
        """Who looks at such a content; None for nobody. What is asked for again is at hand."""
        if not self._guarded:
            return None
        key = kind, tenant, environment, surface if surface in self._surfaces else ""
        if key not in self._panels:
            self._panels[key] = self._seated(*key)
        return self._panels[key]

    async def close(self) -> None:
        """Ends all of them."""
        gone, self._guarded = self._guarded, {}
        self._panels.clear()
        self._ending.set()
        await asyncio.gather(*self._closing, *(guarded.close() for guarded in gone.values()))
        await self.ledger.save()

    async def _retire(self, guarded: Guarded) -> None:
        # Contents that are being scored may ask it yet, when their scores leave them uncertain.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), _LINGER_SECONDS)
        await guarded.close()

    def _open(self, prepared: Prepared) -> Guarded:
        document = prepared.document
        opening = Opening(
            document.name,
            prepared.categories,
            document.concurrency,
            document.deadline_ms / 1000,
            prepared.settings,
            prepared.path.parent,
            prepared.texts,
            self._triton,
        )
        return Guarded(prepared, prepared.detector.open(opening), self.ledger)

    def _seated(self, kind: Kind, tenant: str, environment: str, surface: str) -> Panel | None:
        seated = tuple(
            one
            for _, one in sorted(self._guarded.items())
            if kind in one.prepared.kinds
            and _among(tenant, one.document.tenants)
            and _among(environment, one.document.environments)
            and _among(surface, one.document.surfaces)
        )
        version = ",".join(f"{one.document.name}@{one.prepared.version}" for one in seated)
        return Panel(seated, version) if seated else None


def _among(name: str, wanted: frozenset[str]) -> bool:
    return not wanted or name in wanted
