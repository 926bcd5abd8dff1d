"""Keeps one program running: starts it, watches its health, starts it again when it dies or stays unwell."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from services.runtime.logs import log
from services.runtime.process import CONFIG_ERROR
from tools.launcher.child import Child
from tools.launcher.home import Home
from tools.launcher.processes import MARK
from tools.launcher.program import Program
from tools.launcher.status import ProgramStatus, State

_PROBE_SECONDS = 3.0
_HEAL_SECONDS = 30.0
_STARTING_INTERVAL = 0.05
_RUNNING_INTERVAL = 1.0
"""A death is noticed at once; this is for what hangs."""
_SHORTEST_DELAY = 0.05
_LONGEST_DELAY = 2.0
_STEADY_SECONDS = 5.0


class Worker:
    """One program's life. `changed` is called whenever its status changes."""

    def __init__(self, program: Program, home: Home, changed: Callable[[], None]) -> None:
        """Nothing runs yet."""
        self.program = program
        self.well_once = asyncio.Event()
        """Set when it is well for the first time."""
        self._home = home
        self._changed = changed
        self._state = State.WAITING
        self._problem = ""
        self._starts = 0
        self._child: Child | None = None

    @property
    def status(self) -> ProgramStatus:
        """What is known now."""
        child = self._child
        return ProgramStatus(
            state=self._state,
            pid=child.pid if child else 0,
            start_ticks=child.start_ticks if child else 0,
            starts=self._starts,
            was_well=self.well_once.is_set(),
            problem=self._problem,
        )

    async def run(self, others: Mapping[str, Worker]) -> None:
        """Runs until cancelled. Never gives up: what is wrong may be put right."""
        for name in self.program.after:
            if name in others:
                await others[name].well_once.wait()
        short_lives = 0
        while True:
            started = time.monotonic()
            await self._live()
            # Once: at once. Only what ends again and again as soon as it has begun is started more slowly.
            short_lives = 0 if time.monotonic() - started > _STEADY_SECONDS else short_lives + 1
            await asyncio.sleep(_delay(short_lives))

    async def stop(self) -> None:
        """Ends the program. `run` must have been cancelled before."""
        if self._child is not None:
            started = time.monotonic()
            await self._child.stop()
            log.info("program_stopped", program=self.program.name, seconds=round(time.monotonic() - started, 2))
            self._child = None
        self._set(State.STOPPED)

    async def _live(self) -> None:
        """From start to end."""
        if self._state is not State.FAILED:
            self._set(State.STARTING)
        try:
            await self.program.prepare()
            mark = {MARK: str(self._home.folder)}
            child = self._child = await Child.start(self.program, self._home.log(self.program.name), mark)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told, and tried again
            self._fail(str(error))
            return
        self._starts += 1
        self._changed()
        ended = asyncio.create_task(child.ended())
        watch = asyncio.create_task(self._watch(child))
        try:
            await asyncio.wait((ended, watch), return_when=asyncio.FIRST_COMPLETED)
            condemned = watch.done()
            child.kill()
            code = await ended
        finally:
            ended.cancel()
            watch.cancel()
        self._child = None
        if not condemned:
            self._ended(code)
        elif self._state is State.FAILED:
            self._changed()
        else:
            self._set(State.STARTING)

    def _ended(self, code: int) -> None:
        """By itself, or by somebody else's hand."""
        log.warning("program_ended", program=self.program.name, code=code)
        if code == CONFIG_ERROR:
            self._fail("refuses its configuration")
        else:
            self._set(State.STARTING, f"ended by signal {-code}" if code < 0 else f"ended with code {code}")

    async def _watch(self, child: Child) -> None:
        """Returns when the program has to go."""
        since = time.monotonic()  # it began, or began to be unwell
        limit = self.program.start_seconds
        while True:
            problem = await self._probe()
            if not problem:
                if not await self._settle():
                    return
                self._set(State.HEALTHY)
                limit = self.program.patience_seconds
            elif self._state is State.HEALTHY:
                since = time.monotonic()
                self._set(State.UNWELL, problem)
                await self._heal()
            elif given_up := self._given_up(child, problem, time.monotonic() - since, limit):
                log.error("program_given_up", program=self.program.name, pid=child.pid, problem=given_up)
                self._set(self._state, given_up)
                return
            elif self._state is State.UNWELL:
                await self._heal()
            await asyncio.sleep(_RUNNING_INTERVAL if self._state is State.HEALTHY else _STARTING_INTERVAL)

    def _given_up(self, child: Child, problem: str, seconds: float, limit: float) -> str:
        """Why it is not waited for any longer; empty if it is."""
        if seconds > limit:
            return f"not well for {limit:.0f} s: {problem}"
        return self.program.hopeless(child.pid) if self._state is not State.UNWELL else ""

    async def _settle(self) -> bool:
        """Whether others may rely on it."""
        if not self.well_once.is_set():
            try:
                await self.program.settle()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is told, and tried again
                self._fail(str(error))
                return False
            self.well_once.set()
        return True

    async def _probe(self) -> str:
        """What is wrong; empty if nothing is."""
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                return "" if await self.program.probe() else "it says it is not ready"
        except Exception as error:  # noqa: BLE001 - a probe that fails in any way is a "no"
            return f"{type(error).__name__}: {error}".strip(": ")

    async def _heal(self) -> None:
        try:
            async with asyncio.timeout(_HEAL_SECONDS):
                await self.program.heal()
        except Exception as error:  # noqa: BLE001 - then it is killed when patience ends
            log.warning("program_not_healed", program=self.program.name, error=type(error).__name__)

    def _fail(self, problem: str) -> None:
        log.error("program_failed", program=self.program.name, problem=problem)
        self._set(State.FAILED, problem)

    def _set(self, state: State, problem: str | None = None) -> None:
        if state is not self._state or (problem is not None and problem != self._problem):
            self._state = state
            self._problem = self._problem if problem is None else problem
            self._changed()


def _delay(short_lives: int) -> float:
    return 0.0 if short_lives <= 1 else min(_SHORTEST_DELAY * 2 ** min(short_lives - 2, 10), _LONGEST_DELAY)
