"""The front door: how much is worked on at once, who waits, and who is told at once that waiting is of no use.

Queueing belongs here, where shares are fair, and nowhere behind: the limit on what is in flight keeps the lines at the
hops short.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from services.runtime.errors import MoatError, OutOfTime, OverQuota
from services.runtime.fair_queue import FairQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.tenants import Tenant

_WINDOW_SECONDS = 0.1
_NEWEST = 0.3
"""Weight of the newest measurement in the running means."""
_RETRY_SECONDS = (0.05, 5.0)


class Work(Protocol):
    """What waits at the door."""

    @property
    def tenant(self) -> Tenant:
        """Whose it is."""

    @property
    def bulk(self) -> bool:
        """Nobody waits for it: it goes when nothing else wants to."""

    @property
    def deadline(self) -> float:
        """When it is of no more use, on the monotonic clock."""

    @property
    def gone(self) -> bool:
        """Nobody wants the answer any more."""

    def start(self) -> None:
        """Its turn has come. Calls `Admission.leave` when it is done."""

    def turn_away(self, error: MoatError | None) -> None:
        """Its turn came too late (`error` says why), or its caller has gone (None)."""


class DrainRate:
    """How much work ends per second while more would like to begin. Idle times do not count."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self.per_second: float | None = None
        self._since: float | None = None
        self._ended = 0

    def count(self, now: float) -> None:
        """One piece of work ended while others waited."""
        if self._since is None:
            self._since, self._ended = now, 0
            return
        self._ended += 1
        elapsed = now - self._since
        if elapsed >= _WINDOW_SECONDS:
            newest = self._ended / elapsed
            known = self.per_second
            self.per_second = newest if known is None else known + _NEWEST * (newest - known)
            self._since, self._ended = now, 0

    def idle(self) -> None:
        """Nothing waits: the next line that forms is another story."""
        self.per_second = self._since = None


class Admission:
    """Bounds what is in flight and what waits. Its work for an item is the same for any number of tenants."""

    def __init__(self, limit: int, max_wait_seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`limit` items are worked on at once."""
        self._limit = limit
        self._max_wait = max_wait_seconds
        self._clock = clock
        self._lanes: tuple[FairQueue[Work], FairQueue[Work]] = (FairQueue(), FairQueue())
        self._rate = DrainRate()
        self._typical = 0.0
        self.in_flight = 0

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return len(self._lanes[0]) + len(self._lanes[1])

    def room(self, tenant: Tenant) -> int:
        """How many more of this tenant's items can be taken in now."""
        free = 0 if self.waiting else self._limit - self.in_flight
        waiting = sum(lane.waiting(tenant.name) for lane in self._lanes)
        return free + max(0, tenant.max_waiting - waiting)

    def refusal(self, tenant: Tenant, *, seconds_left: float, bulk: bool) -> MoatError | None:
        """Why an item need not even be taken in: its tenant has no room, or its turn would come too late."""
        if self.room(tenant) < 1:
            return self.over_quota(tenant)
        expected = self._expected_wait(tenant, bulk=bulk)
        if expected > self._max_wait:
            return self.over_quota(tenant)
        if expected and expected + self._typical > seconds_left:
            return OutOfTime("the item's turn would come after its deadline", reason="TURN_TOO_LATE")
        return None

    def over_quota(self, tenant: Tenant) -> OverQuota:
        """The refusal of an item whose tenant has too many waiting; it says when half of them will be gone."""
        shortest, longest = _RETRY_SECONDS
        wait = self._expected_wait(tenant, bulk=False) or 2 * self._max_wait
        return OverQuota(
            "too many of the tenant's items wait already",
            retry_after_seconds=min(longest, max(shortest, wait / 2)),
            reason="TENANT_QUEUE_FULL",
            metadata={"tenant": tenant.name},
        )

    def enter(self, work: Work) -> float | None:
        """Starts work or lets it wait. Returns when its wait must end; None if it was started."""
        if self.in_flight < self._limit and not self.waiting:
            self.in_flight += 1
            work.start()
            return None
        self._lanes[work.bulk].push(work.tenant.name, work.tenant.weight, work)
        return min(work.deadline, self._clock() + self._max_wait)

    def leave(self, seconds: float) -> None:
        """A piece of work has ended after `seconds`."""
        self.in_flight -= 1
        self._typical += _NEWEST * (seconds - self._typical)
        if self.waiting:
            self._rate.count(self._clock())
            self._start_next()
        if not self.waiting:
            self._rate.idle()

    def _start_next(self) -> None:
        now = self._clock()
        while self.in_flight < self._limit and self.waiting:
            work = self._lanes[0 if self._lanes[0] else 1].pop()
            if work.gone:
                work.turn_away(None)
            elif work.deadline - now < self._typical / 2:
                work.turn_away(OutOfTime("the item's turn came too late to finish it", reason="TURN_TOO_LATE"))
            else:
                self.in_flight += 1
                work.start()

    def _expected_wait(self, tenant: Tenant, *, bulk: bool) -> float:
        """Seconds until an item that came now would have its turn; 0 when nothing waits or nothing is known."""
        rate = self._rate.per_second
        if not self.waiting or rate is None:
            return 0.0
        lane = self._lanes[bulk]
        ahead = (lane.waiting(tenant.name) + 1) / lane.share(tenant.name, tenant.weight)
        if bulk:
            ahead += len(self._lanes[0])
        return ahead / rate
