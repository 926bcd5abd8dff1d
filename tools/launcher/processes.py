"""Which processes of this machine belong to a mesh, also when its supervisor is gone."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path

MARK = "MOAT_MESH"
"""In the environment of every child, with the home's folder: how a child of a killed supervisor is recognised."""
_PROC = Path("/proc")
_START_FIELD = 19
"""`starttime` counted from the state field, which is the first after the name."""
_STATE_FIELD = 0


def start_ticks(pid: int) -> int | None:
    """When a process started, in ticks since boot; None if there is none. With the pid it names a process for good."""
    fields = _stat(pid)
    return int(fields[_START_FIELD]) if fields else None


def command_line(pid: int) -> list[str]:
    """What a living process was started with; empty if there is none."""
    try:
        return (_PROC / str(pid) / "cmdline").read_text(errors="replace").split("\0")
    except OSError:
        return []


def belonging_to(home: Path, recorded: Mapping[int, int]) -> list[int]:
    """Processes with the home's mark, and those of `recorded` (start ticks by pid) that are still the same process.

    Both: Postgres writes its title over its environment; and what children started is recorded nowhere.
    """
    mark = f"{MARK}={home}".encode()
    found = {pid for pid, ticks in recorded.items() if ticks and start_ticks(pid) == ticks}
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.add(int(entry.name))
    return sorted(found - {os.getpid()})


def end_all(home: Path, recorded: Mapping[int, int], *, seconds: float = 10.0) -> None:
    """Kills what is left of a mesh and waits until it is gone. Raises TimeoutError naming what will not go."""
    deadline = time.monotonic() + seconds
    while left := belonging_to(home, recorded):
        if time.monotonic() > deadline:
            raise TimeoutError(f"processes {left} of an earlier run in {home} do not end")
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def _stat(pid: int) -> list[str]:
    try:
        line = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return []
    # The name stands in parentheses and may hold anything, spaces and parentheses too.
    fields = line.rpartition(")")[2].split()
    return [] if fields[_STATE_FIELD] == "Z" else fields
