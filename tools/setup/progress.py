"""Shows how far pip is, from what it prints."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

_COLLECTING = re.compile(r"Collecting ([\w.\[\]-]+)")
_QUIET_SECONDS = 5.0
"""Where nothing overwrites a line (a log), one line in this time is enough."""


def packages_in(lock: Path) -> int:
    """How many packages a lock names; those of other Python versions too."""
    return sum(1 for line in lock.read_text().splitlines() if re.match(r"[A-Za-z0-9]", line))


class Progress:
    """One line that changes on a terminal, a few lines elsewhere."""

    def __init__(self, name: str, total: int) -> None:
        """`name` of the environment and how many packages it gets."""
        self._name = name
        self._total = total
        self._seen = 0
        self._started = time.monotonic()
        self._said = 0.0
        self._terminal = sys.stdout.isatty()

    def __enter__(self) -> Self:
        """Says that it begins."""
        self._say(f"{self._total} packages")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Says how long it took."""
        took = f"{time.monotonic() - self._started:.0f} s"
        self._say(f"{'done' if kind is None else 'not done'} after {took}", last=True)

    def saw(self, line: str) -> None:
        """A line of pip's."""
        if found := _COLLECTING.match(line):
            self._seen += 1
            self._say(f"{self._seen}/{self._total} {found[1]}", often=True)
        elif line.startswith("Installing collected packages"):
            self._say("unpacking")

    def _say(self, what: str, *, last: bool = False, often: bool = False) -> None:
        now = time.monotonic()
        if self._terminal:
            sys.stdout.write(f"\r\033[K{self._name}: {what}" + ("\n" if last else ""))
        elif not often or now - self._said > _QUIET_SECONDS:
            self._said = now
            sys.stdout.write(f"{self._name}: {what}\n")
        sys.stdout.flush()
