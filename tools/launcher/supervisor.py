"""The one process that owns a mesh: starts its programs in order, keeps them running, stops them in reverse order."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from services.runtime.logs import log
from tools.launcher.home import SUPERVISOR, Home
from tools.launcher.program import Program
from tools.launcher.status import Status
from tools.launcher.worker import Worker

_LOG_BYTES = 16 * 1024 * 1024
_KEPT_BYTES = 2 * 1024 * 1024
_LOG_INTERVAL = 10.0


class Supervisor:
    """Runs programs until SIGTERM or SIGINT."""

    def __init__(self, home: Home, programs: Sequence[Program]) -> None:
        """The home's lock must be held."""
        self._home = home
        self._workers = {program.name: Worker(program, home, self._tell) for program in programs}
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Returns when everything has stopped."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stop.set)
        self._tell()
        tasks = {name: asyncio.create_task(self._keep(worker)) for name, worker in self._workers.items()}
        bound = asyncio.create_task(self._bound_logs())
        await self._stop.wait()
        self._tell()
        bound.cancel()
        await self._stop_all(tasks)

    async def _keep(self, worker: Worker) -> None:
        try:
            await worker.run(self._workers)
        except Exception as error:  # noqa: BLE001 - the last resort
            # A mistake of ours: half a mesh that looks whole is worse than none.
            log.error("worker_failed", program=worker.program.name, exc_info=error)
            self._stop.set()

    async def _stop_all(self, tasks: dict[str, asyncio.Task[None]]) -> None:
        """What others rely on stops last. Everybody's restarting ends first: what has stopped stays so."""
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        for wave in stopping_order([worker.program for worker in self._workers.values()]):
            await asyncio.gather(*(self._workers[name].stop() for name in wave))

    def _tell(self) -> None:
        programs = {name: worker.status for name, worker in self._workers.items()}
        Status(pid=os.getpid(), stopping=self._stop.is_set(), programs=programs).write(self._home)

    async def _bound_logs(self) -> None:
        while True:
            await asyncio.sleep(_LOG_INTERVAL)
            for name in (SUPERVISOR, *self._workers):
                bound_log(self._home.log(name))


def stopping_order(programs: Sequence[Program]) -> list[list[str]]:
    """Waves of names: each holds what nobody in the later ones relies on."""
    waves: list[list[str]] = []
    left = {program.name: program for program in programs}
    while left:
        needed = {name for program in left.values() for name in program.after}
        # A circle has no end to begin at; then all at once.
        wave = [name for name in left if name not in needed] or list(left)
        waves.append(wave)
        for name in wave:
            del left[name]
    return waves


def bound_log(path: Path, *, most: int = _LOG_BYTES, keep: int = _KEPT_BYTES) -> None:
    """Moves the end of a log that has grown too long aside and empties it. Children append, so cutting the file under
    them is safe."""
    if not path.exists() or path.stat().st_size <= most:
        return
    with path.open("rb+") as file:
        file.seek(-keep, os.SEEK_END)
        path.with_suffix(".log.1").write_bytes(file.read())
        file.truncate(0)
