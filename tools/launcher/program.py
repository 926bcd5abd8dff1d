"""What the supervisor needs to know of a process, whatever it is."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Step = Callable[[], Awaitable[None]]
Probe = Callable[[], Awaitable[bool]]


async def nothing() -> None:
    """A step that does nothing."""


def always_hope(_: int) -> str:
    """Of a program that comes up sooner or later, or ends."""
    return ""


@dataclass(frozen=True, slots=True)
class Account:
    """The user a process runs as."""

    user: int
    group: int


@dataclass(frozen=True, slots=True)
class Program:
    """One process: how to start it, how to ask whether it is well, how to stop it."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    """The whole environment: nothing is inherited."""
    probe: Probe
    """Whether it does its work: a real request, not an open port. May raise; that is a "no"."""
    folder: Path
    """Its working folder."""
    after: Sequence[str] = ()
    """What must have been well once before its first start. Later everything restarts in any order."""
    prepare: Step = nothing
    """Runs before every start. May raise, with a message for people; it is tried again."""
    settle: Step = nothing
    """Runs once per supervisor, when the probe first succeeds, before others rely on it. May raise like `prepare`."""
    heal: Step = nothing
    """Tries to cure what runs but is not well; what it cannot cure is killed when patience ends."""
    hopeless: Callable[[int], str] = always_hope
    """Asked with its process id while it starts: why it will never be well, so that nobody waits for `start_seconds`."""
    drain: Step = nothing
    """Runs before `stop_signal`: what the program cannot do by itself to end without losing a call."""
    account: Account | None = None
    """None is the supervisor's own."""
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 15.0
    """How long it may take to end before it is killed."""
    start_seconds: float = 60.0
    """How long it may take until it is well."""
    patience_seconds: float = 20.0
    """How long it may then be unwell before it is killed and started again."""
