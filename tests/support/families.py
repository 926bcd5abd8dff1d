"""A process and all that it started, while some of them come and go: Postgres has workers that live for moments."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import psutil

SeenT = TypeVar("SeenT")


def in_family(root: int, look: Callable[[psutil.Process], SeenT]) -> list[SeenT]:
    """What `look` sees of each; those that have ended, or end while they are looked at, are left out."""
    first = psutil.Process(root)
    seen: list[SeenT] = []
    for process in (first, *first.children(recursive=True)):
        try:
            if process.status() != psutil.STATUS_ZOMBIE:
                seen.append(look(process))
        except psutil.NoSuchProcess:
            continue
    return seen
