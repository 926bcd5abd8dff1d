"""Where items go in and decisions come out: each request id decided once at a time, each item in its turn."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING

from gateway.commit import reused
from gateway.deadlines import GRAIN_SECONDS
from gateway.metrics import ADMISSION_SECONDS
from gateway.parts import forget_files
from services.runtime.errors import Internal, MoatError, OutOfTime
from services.runtime.logs import log

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from moat.moderation.v1 import moderation_pb2

    from gateway.admission import Admission
    from gateway.deadlines import Deadlines
    from gateway.digest import Digests
    from gateway.items import Item
    from gateway.tenants import Tenant

    Outcome = moderation_pb2.Decision | MoatError
    """Errors are values here: a list has as many as it has bad items, and nobody raises them."""
    Answer = asyncio.Future[Outcome]


class Flight:
    """One request id being decided, for everybody who sent it."""

    __slots__ = ("_desk", "item", "started", "waiters")

    def __init__(self, desk: Desk, item: Item, answer: Answer) -> None:
        """`answer` is the first who waits."""
        self._desk = desk
        self.item = item
        self.started = False
        self.waiters: list[tuple[Item, Answer]] = [(item, answer)]

    @property
    def tenant(self) -> Tenant:
        """Whose it is."""
        return self.item.arrival.tenant

    @property
    def bulk(self) -> bool:
        """Nobody waits for it."""
        return self.item.bulk

    @property
    def deadline(self) -> float:
        """When it is of no more use."""
        return self.item.deadline

    @property
    def gone(self) -> bool:
        """All who wanted the answer have given up."""
        return all(answer.done() for _, answer in self.waiters)

    def start(self) -> None:
        """Its turn has come."""
        self._desk.start(self)

    def turn_away(self, error: MoatError | None) -> None:
        """Its turn came too late."""
        self._desk.land(self, error or Internal())


class Desk:
    """Takes items in. Belongs to one event loop."""

    def __init__(
        self,
        admission: Admission,
        decide: Callable[[Item], Awaitable[moderation_pb2.Decision]],
        digests: Digests,
        deadlines: Deadlines,
        *,
        observe: Callable[[Item, Outcome], None],
    ) -> None:
        """`decide` raises MoatError for what cannot be decided; `observe` hears of every item whose turn had come."""
        self._admission = admission
        self._decide = decide
        self._digests = digests
        self._deadlines = deadlines
        self._observe = observe
        self._flights: dict[tuple[str, str, str], Flight] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, item: Item) -> Answer:
        """The item's answer, sooner or later. Cancel it to give the item up. An id that is in flight already is joined
        if the content is the same, and refused if it is not."""
        answer: Answer = asyncio.get_running_loop().create_future()
        self._take(item, answer)
        return answer

    async def drain(self) -> None:
        """Waits for everything that has been taken in."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def start(self, flight: Flight) -> None:
        """For admission."""
        flight.started = True
        ADMISSION_SECONDS.observe(time.monotonic() - flight.item.arrival.at)
        task = asyncio.get_running_loop().create_task(self._fly(flight))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def land(self, flight: Flight, outcome: Outcome) -> None:
        """Answers all who wait. Who joined a hurried item, and has time left that it did not have, is decided anew."""
        self._flights.pop(flight.item.key, None)
        now = time.monotonic()
        for item, answer in flight.waiters:
            if answer.done():
                continue
            if isinstance(outcome, OutOfTime) and item is not flight.item and item.deadline > now:
                self._take(item, answer)
            else:
                answer.set_result(outcome)

    def _take(self, item: Item, answer: Answer) -> None:
        flight = self._flights.get(item.key)
        if flight is not None:
            self._join(flight, item, answer)
            return
        flight = self._flights[item.key] = Flight(self, item, answer)
        until = self._admission.enter(flight)
        if until is not None:
            # By key and not by flight: what is watched must not be kept alive until its time is up.
            self._deadlines.watch(answer, until, partial(self._waited_out, item.key))

    def _join(self, flight: Flight, item: Item, answer: Answer) -> None:
        if not self._same(flight.item, item):
            answer.set_result(reused(item))
            return
        flight.waiters.append((item, answer))
        self._deadlines.watch(answer, item.deadline, _too_late)

    def _same(self, one: Item, other: Item) -> bool:
        digest = self._digests.of_request
        return digest(one.message, one.surface) == digest(other.message, other.surface)

    def _waited_out(self, key: tuple[str, str, str], answer: Answer) -> None:
        flight = self._flights.get(key)
        if flight is not None and not flight.started:
            if time.monotonic() + GRAIN_SECONDS >= flight.deadline:
                _too_late(answer)
            else:
                answer.set_result(self._admission.over_quota(flight.tenant))

    async def _fly(self, flight: Flight) -> None:
        item = flight.item
        try:
            outcome: Outcome = await self._decide(item)
        except MoatError as error:
            outcome = error
        except Exception as error:  # noqa: BLE001 - whatever it is, who waits must hear of it
            log.error("decision_failed", decision_id=item.decision_id, exc_info=error)
            outcome = Internal()
        self.land(flight, outcome)
        self._admission.leave(time.monotonic() - item.started)
        forget_files(item.message.content)
        self._observe(item, outcome)


def _too_late(answer: Answer) -> None:
    answer.set_result(OutOfTime("the item's turn did not come in time", reason="TURN_TOO_LATE"))
