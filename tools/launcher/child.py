"""One running child: dies with its parent, leaves no orphans, writes to its log."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.launcher import leash
from tools.launcher.processes import start_ticks
from tools.launcher.program import Account, Program


class Child:
    """A started program."""

    def __init__(self, program: Program, process: asyncio.subprocess.Process) -> None:
        """Use `start`."""
        self.program = program
        self.start_ticks = start_ticks(process.pid) or 0
        self._process = process

    @classmethod
    async def start(cls, program: Program, log: Path, mark: Mapping[str, str]) -> Child:
        """Starts it in a session of its own, output appended to `log`; `mark` is added to its environment.

        Raises OSError.
        """
        command, environment = leashed(program.command, {**program.environment, **mark}, program.account)
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *command,
                env=environment,
                cwd=program.folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return cls(program, process)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def ended(self) -> int:
        """Waits for its end; returns the exit code (negative: the signal). What it started itself is ended too."""
        code = await self._process.wait()
        self.kill()
        return code

    async def stop(self) -> None:
        """Asks it to end, then makes it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.program.stop_seconds):
                with contextlib.suppress(Exception):
                    await self.program.drain()
                with contextlib.suppress(ProcessLookupError):
                    self._process.send_signal(self.program.stop_signal)
                await self._process.wait()
        self.kill()
        await self._process.wait()

    def kill(self) -> None:
        """At once, with all that it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)


def leashed(
    command: Sequence[str], environment: Mapping[str, str], account: Account | None = None
) -> tuple[list[str], dict[str, str]]:
    """A command and its environment, so that it dies when the thread that starts it does. See `leash`."""
    user, group = (account.user, account.group) if account else (leash.SAME, leash.SAME)
    wrapped = [sys.executable, "-IS", leash.__file__, str(os.getpid()), str(user), str(group), *command]
    return wrapped, {"LEASHED": json.dumps(dict(environment))}
