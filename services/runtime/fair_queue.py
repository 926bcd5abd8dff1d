"""Who goes next when there is more work than room: tenants in turn, each by its weight (deficit round robin)."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

WorkT = TypeVar("WorkT")


class _Line(Generic[WorkT]):
    __slots__ = ("credit", "weight", "work")

    def __init__(self, weight: int) -> None:
        self.work: deque[WorkT] = deque()
        self.weight = weight
        self.credit = 0


class FairQueue(Generic[WorkT]):
    """One line per tenant, served in turn: `weight` pieces of work at each turn.

    Every operation takes the same time however many tenants there are: only those that wait are in the ring, and a turn
    never goes to a line that is empty.
    """

    def __init__(self) -> None:
        """Nobody waits."""
        self._lines: dict[str, _Line[WorkT]] = {}
        self._ring: deque[str] = deque()
        self._size = 0
        self._weights = 0

    def __len__(self) -> int:
        """How much work waits."""
        return self._size

    def waiting(self, tenant: str) -> int:
        """How much of one tenant's work waits."""
        line = self._lines.get(tenant)
        return len(line.work) if line else 0

    def share(self, tenant: str, weight: int) -> float:
        """Which part of all turns a tenant gets (or would get, if it does not wait yet)."""
        return weight / (self._weights if tenant in self._lines else self._weights + weight)

    def push(self, tenant: str, weight: int, work: WorkT) -> None:
        """Adds work at the end of its tenant's line."""
        line = self._lines.get(tenant)
        if line is None:
            line = self._lines[tenant] = _Line(weight)
            self._ring.append(tenant)
            self._weights += weight
        line.work.append(work)
        self._size += 1

    def pop(self) -> WorkT:
        """Takes the work whose turn it is. Raises IndexError when nobody waits."""
        tenant = self._ring[0]
        line = self._lines[tenant]
        if line.credit == 0:
            line.credit = line.weight
        work = line.work.popleft()
        line.credit -= 1
        self._size -= 1
        if not line.work:
            self._ring.popleft()
            del self._lines[tenant]
            self._weights -= line.weight
        elif line.credit == 0:
            self._ring.rotate(-1)
        return work
