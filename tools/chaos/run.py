"""Load, kills and the wait for health. Everything is bounded: kills, load, and the time to come back."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable, Iterator

import psutil
from moat_client import Moat, MoatError

from services.runtime.topology import Topology
from tools.bench.texts import lines
from tools.chaos.ledger import Ledger, Verdict, reconcile
from tools.launcher.control import Mesh

STUB = "triton-stub"
"""The process behind one of Triton's models, not in the list of programs."""
_CALLERS = 12
_LONGEST_GAP = 0.7
_BACK_SECONDS = 60.0
_DRAINED_SECONDS = 90.0
_TIMEOUT = 3.0


class NotBack(Exception):
    """The mesh did not come back to health by itself."""


async def run(mesh: Mesh, topology: Topology, *, kills: int, seed: int, tell: Callable[[str], object]) -> Verdict:
    """Kills `kills` processes at seeded random moments while callers ask. Raises NotBack."""
    random_ = random.Random(seed)  # noqa: S311 - repeatable, not secret
    ledger = Ledger()
    stop = asyncio.Event()
    texts = lines(seed)
    address = f"localhost:{topology.edge.port}"
    async with Moat(
        address, token=lambda: mesh.token(tenant="demo"), ca_file=topology.edge.ca_file, timeout=_TIMEOUT
    ) as moat:
        callers = [asyncio.create_task(_caller(moat, texts, ledger, stop, number)) for number in range(_CALLERS)]
        victims = _victims(mesh, random_)
        for number in range(kills):
            await asyncio.sleep(random_.uniform(0.05, _LONGEST_GAP))
            name = next(victims)
            tell(f"{number + 1}/{kills} kill -9 {name}, {len(ledger.answered)} answered\n")
            await asyncio.to_thread(_kill, mesh, name, random_)
        await _until_well(mesh)
        # A while of peace, so that what was killed last is seen to work again.
        await asyncio.sleep(1)
        stop.set()
        await asyncio.gather(*callers)
    return await _reconciled(topology, ledger)


async def _caller(moat: Moat, texts: Iterator[str], ledger: Ledger, stop: asyncio.Event, number: int) -> None:
    user = 0
    while not stop.is_set():
        user += 1
        try:
            decision = await moat.moderate(
                next(texts),
                user_id=f"chaos-{number}-{user % 50}",
                channel_id=f"room-{number}",
                target_user_ids=["somebody"],
            )
        except MoatError:
            ledger.refused += 1
            await asyncio.sleep(0.05)
            continue
        ledger.answered[decision.decision_id] = decision.request_id
        await asyncio.sleep(0.01)


def _victims(mesh: Mesh, random_: random.Random) -> Iterator[str]:
    """Every kind of process, again and again, in a new random order each time."""
    status = mesh.status()
    names = [*(status.programs if status else ()), STUB]
    while True:
        random_.shuffle(names)
        yield from names


def _kill(mesh: Mesh, name: str, random_: random.Random) -> None:
    status = mesh.status()
    if status is None:
        return
    stubs = _stubs(status.programs["triton"].pid) if name == STUB else []
    pid = random_.choice(stubs or [0]) if name == STUB else status.programs[name].pid
    if pid:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return


def _stubs(triton: int) -> list[int]:
    try:
        children = psutil.Process(triton).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return sorted(child.pid for child in children)


async def _until_well(mesh: Mesh) -> None:
    """Well means: all are, twice in a row."""
    deadline = time.monotonic() + _BACK_SECONDS
    in_a_row = 0
    while in_a_row < 2:  # noqa: PLR2004 - a probe may be a moment old
        status = mesh.status()
        in_a_row = in_a_row + 1 if status is not None and status.healthy else 0
        if time.monotonic() > deadline:
            raise NotBack(str(status))
        await asyncio.sleep(1)


async def _reconciled(topology: Topology, ledger: Ledger) -> Verdict:
    """Spools are replayed and the drain catches up within seconds; what is missing after that is lost."""
    deadline = time.monotonic() + _DRAINED_SECONDS
    while True:
        verdict = await asyncio.to_thread(reconcile, topology, ledger)
        if not verdict.missing or time.monotonic() > deadline:
            return verdict
        await asyncio.sleep(1)
