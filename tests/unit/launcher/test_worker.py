"""One program's life: started, watched, healed, started again, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.runtime.process import CONFIG_ERROR
from tests.support.programs import WELL, program
from tools.launcher.home import Home
from tools.launcher.processes import belonging_to, start_ticks
from tools.launcher.program import Program
from tools.launcher.status import State
from tools.launcher.worker import Worker


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home.under(tmp_path)
    home.make()
    return home


@asynccontextmanager
async def running(one: Program, home: Home, **others: Worker) -> AsyncIterator[Worker]:
    worker = Worker(one, home, lambda: None)
    task = asyncio.create_task(worker.run(others))
    try:
        yield worker
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await worker.stop()
        assert belonging_to(home.folder, {}) == []


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def test_it_is_healthy_when_its_probe_says_so(tmp_path: Path, home: Home) -> None:
    async with running(program(tmp_path), home) as worker:
        await worker.well_once.wait()
        status = worker.status
        assert (status.state, status.starts) == (State.HEALTHY, 1)
        assert start_ticks(status.pid) == status.start_ticks
        assert belonging_to(home.folder, {}) == [status.pid]
    assert worker.status.state is State.STOPPED


async def test_it_is_started_again_at_once_when_it_is_killed(tmp_path: Path, home: Home) -> None:
    async with running(program(tmp_path), home) as worker:
        await worker.well_once.wait()
        first = worker.status.pid
        os.kill(first, signal.SIGKILL)
        await until(lambda: worker.status.state is State.HEALTHY and worker.status.pid != first, seconds=2)
        assert (worker.status.starts, worker.status.problem) == (2, "ended by signal 9")


async def test_what_it_started_itself_ends_with_it(tmp_path: Path, home: Home) -> None:
    script = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); {WELL}"
    async with running(program(tmp_path, script), home) as worker:
        await worker.well_once.wait()
        await until(lambda: len(belonging_to(home.folder, {})) == 2)
        orphan = (set(belonging_to(home.folder, {})) - {worker.status.pid}).pop()
        os.kill(worker.status.pid, signal.SIGKILL)
        await until(lambda: start_ticks(orphan) is None)


async def test_it_is_started_again_more_slowly_when_it_never_lives_long_but_never_given_up(
    tmp_path: Path, home: Home
) -> None:
    async with running(program(tmp_path, "raise SystemExit(3)"), home) as worker:
        await until(lambda: worker.status.starts >= 4)
        assert worker.status.problem == "ended with code 3"
        await asyncio.sleep(0.5)
        assert worker.status.starts <= 8


async def test_what_hangs_is_killed_and_started_again(tmp_path: Path, home: Home) -> None:
    async with running(program(tmp_path), home) as worker:
        await worker.well_once.wait()
        first = worker.status.pid
        (tmp_path / "well").unlink()
        await until(lambda: worker.status.state is State.HEALTHY and worker.status.pid != first)


async def test_what_can_be_healed_is_not_killed(tmp_path: Path, home: Home) -> None:
    healed = []

    async def heal() -> None:
        healed.append(True)
        (tmp_path / "well").touch()

    async with running(program(tmp_path, heal=heal), home) as worker:
        await worker.well_once.wait()
        first = worker.status.pid
        (tmp_path / "well").unlink()
        await until(lambda: bool(healed) and worker.status.state is State.HEALTHY)
        assert worker.status.pid == first


async def test_what_can_never_come_up_is_not_waited_for(tmp_path: Path, home: Home) -> None:
    script = (
        "import pathlib, time\nif not pathlib.Path('again').exists(): pathlib.Path('again').touch(); time.sleep(60)\n"
    )

    def ask(pid: int) -> str:
        hangs = worker.status.starts == 1 and (tmp_path / "again").exists()
        return f"{pid} waits for a child that is dead" if hangs else ""

    async with running(program(tmp_path, script + WELL.replace("; ", "\n"), hopeless=ask), home) as worker:
        await until(lambda: worker.status.state is State.HEALTHY, seconds=5)
        assert worker.status.problem.endswith("waits for a child that is dead")


async def test_a_refused_configuration_is_named_and_tried_again(tmp_path: Path, home: Home) -> None:
    script = (
        f"import pathlib, sys\nif not pathlib.Path('repaired').exists(): sys.exit({CONFIG_ERROR})\n"
        + WELL.replace("; ", "\n")
    )
    async with running(program(tmp_path, script), home) as worker:
        await until(lambda: worker.status.state is State.FAILED)
        assert worker.status.problem == "refuses its configuration"
        (tmp_path / "repaired").touch()
        await until(lambda: worker.status.state is State.HEALTHY)


async def test_what_cannot_be_prepared_says_why(tmp_path: Path, home: Home) -> None:
    async def prepare() -> None:
        raise OSError("the disk is full")

    async with running(program(tmp_path, prepare=prepare), home) as worker:
        await until(lambda: worker.status.state is State.FAILED)
        assert (worker.status.problem, worker.status.starts) == ("the disk is full", 0)


async def test_it_is_settled_once_before_others_may_rely_on_it(tmp_path: Path, home: Home) -> None:
    settled: list[bool] = []

    async def settle() -> None:
        assert not worker.well_once.is_set()
        settled.append(True)

    async with running(program(tmp_path, settle=settle), home) as worker:
        await worker.well_once.wait()
        first = worker.status.pid
        os.kill(first, signal.SIGKILL)
        await until(lambda: worker.status.state is State.HEALTHY and worker.status.pid != first)
    assert settled == [True]


async def test_it_waits_for_what_it_comes_after(tmp_path: Path, home: Home) -> None:
    first = Worker(program(tmp_path, name="first"), home, lambda: None)
    async with running(program(tmp_path, name="second", after=["first"]), home, first=first) as second:
        await asyncio.sleep(0.2)
        assert second.status.state is State.WAITING
        first.well_once.set()
        await second.well_once.wait()


async def test_what_does_not_end_when_asked_is_killed(tmp_path: Path, home: Home) -> None:
    deaf = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WELL}"
    async with running(program(tmp_path, deaf, stop_seconds=0.3), home) as worker:
        await worker.well_once.wait()
        pid = worker.status.pid
    assert start_ticks(pid) is None


async def test_it_is_drained_before_it_is_stopped(tmp_path: Path, home: Home) -> None:
    alive = []

    async def drain() -> None:
        alive.append(start_ticks(worker.status.pid) is not None)

    async with running(program(tmp_path, drain=drain), home) as worker:
        await worker.well_once.wait()
    assert alive == [True]
