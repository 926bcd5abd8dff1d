"""A circuit breaker: what does not work is left alone for a while, then tried once."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from enum import StrEnum


class State(StrEnum):
    """Closed: asked. Open: not asked. Half open: asked once, to see whether it works again."""

    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


class Pass:
    """A call that was let through. What it tells the breaker counts only while nothing has changed since."""

    __slots__ = ("generation", "probe")

    def __init__(self, generation: int, *, probe: bool) -> None:
        """Of a generation; `probe` when it is the one try."""
        self.generation = generation
        self.probe = probe


class Breaker:
    """Opens when `failures` of the last `calls` have failed. Belongs to one event loop. Each `enter` is followed by one of
    `worked`, `failed` and `left`, however the call ends: a try that nobody reports on would be the last."""

    def __init__(
        self,
        *,
        failures: int,
        calls: int,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        changed: Callable[[State], None] = lambda _: None,
    ) -> None:
        """Open for `seconds` of `clock`. `changed` hears of each new state."""
        self._failures = failures
        self._recent: deque[bool] = deque(maxlen=calls)
        self._seconds = seconds
        self._clock = clock
        self._changed = changed
        self._open_until: float | None = None
        self._probing = False
        self._generation = 0

    @property
    def state(self) -> State:
        """Now."""
        if self._open_until is None:
            return State.CLOSED
        return State.OPEN if self._clock() < self._open_until else State.HALF_OPEN

    @property
    def refuses(self) -> bool:
        """Whether a call would not be let through now."""
        return self.state is State.OPEN or (self.state is State.HALF_OPEN and self._probing)

    def enter(self) -> Pass | None:
        """A call begins; None is not to begin."""
        if self.refuses:
            return None
        probe = self._open_until is not None
        if probe:
            self._probing = True
            self._changed(State.HALF_OPEN)
        return Pass(self._generation, probe=probe)

    def worked(self, one: Pass) -> None:
        """The call was answered."""
        if one.generation != self._generation:
            return
        if one.probe:
            self._turn(None)
        else:
            self._recent.append(False)

    def failed(self, one: Pass) -> None:
        """It was not, and it is the other side's fault."""
        if one.generation != self._generation:
            return
        self._recent.append(True)
        if one.probe or sum(self._recent) >= self._failures:
            self._turn(self._clock() + self._seconds)

    def left(self, one: Pass) -> None:
        """It ended in a way that says nothing about the other side."""
        if one.generation == self._generation and one.probe:
            self._probing = False

    def _turn(self, open_until: float | None) -> None:
        self._open_until = open_until
        self._probing = False
        self._recent.clear()
        # Calls that began before say nothing about what is now.
        self._generation += 1
        self._changed(State.CLOSED if open_until is None else State.OPEN)
