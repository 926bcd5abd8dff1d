"""Knows a Triton that will never come up.

A Python-based model runs in a process of its own, the stub. When a stub dies while its model is being loaded, Triton waits
for it for ever: its ports stay closed, or it calls itself not ready, and no request can cure it.
"""

from __future__ import annotations

import time

import psutil

_FIRST_SECONDS = 8.0
"""For each model, until all have had their first stubs: they start side by side, and their libraries may come from a slow disk
to a busy machine. A stub may also die before it is seen."""
_ALONE_SECONDS = 3.0
"""Between two stubs of a normal start (one that asks for the model's configuration, one that serves) lie milliseconds. Models are
loaded side by side, so that from then on there are as many stubs as models, or more."""


class StubWatch:
    """Of one server at a time; a new process id begins anew. Ask while the server starts."""

    def __init__(self, models: int) -> None:
        """How many are loaded at the start."""
        self._models = models
        self._pid = 0
        self._waits_until = 0.0

    def hopeless(self, pid: int) -> str:
        """Why the server cannot come up any more; empty while it may."""
        now = time.monotonic()
        if pid != self._pid:
            self._pid, self._waits_until = pid, now + _FIRST_SECONDS * self._models
        if _stubs(pid) >= self._models:
            self._waits_until = now + _ALONE_SECONDS
        if now < self._waits_until:
            return ""
        return "the process behind a model died while the model was being loaded"


def _stubs(pid: int) -> int:
    try:
        children = psutil.Process(pid).children()
        return sum(child.status() != psutil.STATUS_ZOMBIE for child in children)
    except psutil.NoSuchProcess:
        return 0
