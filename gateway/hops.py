"""The services behind the gateway: one coalescer each, and what an item's visit to one of them looked like."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from google.protobuf.message import Message
from google.rpc import code_pb2
from moat_client.coalescer import Coalescer, DeadlinePassed, NotAnswered, QueueFull

from services.runtime.errors import DependencyDown, MoatError, OutOfTime, RemoteError, code_of
from services.runtime.lists.asking import ListResult
from services.runtime.metrics import BatchMetrics

if TYPE_CHECKING:
    from moat.mesh.v1 import item_pb2
    from moat_client.coalescer import Batch

    from gateway.deadlines import Deadlines
    from gateway.items import Item
    from gateway.settings import HopBudget
    from services.runtime.lists.asking import ListCaller

MessageT = TypeVar("MessageT", bound=Message)
ResultT = TypeVar("ResultT", bound=ListResult)

IMAGES, SOUNDS = "images", "sounds"
"""The hops that ask detection about pictures and clips."""
EVIDENCE = "evidence"
"""The hop that keeps files."""
_REASONS = {
    code_pb2.DEADLINE_EXCEEDED: "out_of_time",
    code_pb2.UNAVAILABLE: "unavailable",
    code_pb2.RESOURCE_EXHAUSTED: "over_quota",
}


def reason_of(error: MoatError) -> str:
    """Why a part is missing, from the closed set that metrics and spans use."""
    return _REASONS.get(code_of(error), "failed")


@dataclass(slots=True, eq=False)
class Leg(Generic[MessageT, ResultT]):
    """One item's visit to one hop. Times are on the monotonic clock; 0 for what did not happen."""

    hop: str
    rpc: str
    message: MessageT
    until: float
    """When it must be over."""
    asked: float
    sent: float = 0.0
    answered: float = 0.0
    failure: str = ""
    """See `reason_of`."""
    timing: item_pb2.HopTiming | None = None
    """What the hop itself says about its time."""
    future: asyncio.Future[ResultT] = field(init=False)

    @property
    def part(self) -> str:
        """What is missing when it fails, as policies call it."""
        return "detection" if self.hop in (IMAGES, SOUNDS) else self.hop

    async def result(self) -> ResultT:
        """Raises MoatError when the hop did not answer in time, or answered with an error."""
        try:
            result = await self.future
        except MoatError as error:
            self._failed(error)
            raise
        except DeadlinePassed:
            raise self._failed(OutOfTime(f"{self.hop} had no room in time")) from None
        except (NotAnswered, QueueFull):
            raise self._failed(DependencyDown(f"{self.hop} did not answer")) from None
        self.timing = getattr(result, "timing", None)
        return result

    def _failed(self, error: MoatError) -> MoatError:
        self.answered = self.answered or time.monotonic()
        self.failure = reason_of(error)
        return error


AnyLeg = Leg[Any, Any]


class Hop(Generic[MessageT, ResultT]):
    """One list RPC of one service."""

    def __init__(
        self,
        name: str,
        caller: ListCaller,
        request: type[Message],
        budget: HopBudget,
        deadlines: Deadlines,
        *,
        slots: int,
        max_batch: int,
    ) -> None:
        """`name` as spans, metrics and records call the hop; `request` is the list's message type."""
        self.name = name
        self._rpc = request.__name__.removesuffix("Request")
        self._caller = caller
        self._request = request
        self._budget = budget
        self._deadlines = deadlines
        self.coalescer: Coalescer[Leg[MessageT, ResultT], ResultT] = Coalescer(
            self._send,
            slots=slots,
            max_batch=max_batch,
            observe=BatchMetrics(name),
        )

    def until(self, item: Item) -> float:
        """When an item that is asked about now must be back."""
        now = time.monotonic()
        return now + min(self._budget.seconds, (item.deadline - now) * self._budget.share)

    def is_full_wait(self, leg: AnyLeg) -> bool:
        """Whether a leg that ran out of time had all that this hop ever gives: then the hop is slow, not the item."""
        return leg.until - leg.asked >= self._budget.seconds * 0.99

    def ask(self, message: MessageT, *, until: float, bulk: bool) -> Leg[MessageT, ResultT]:
        """Sends a message with the next list. Never blocks and never raises: see `Leg.result`."""
        leg: Leg[MessageT, ResultT] = Leg(self.name, self._rpc, message, until, time.monotonic())
        try:
            leg.future = self.coalescer.submit(leg, deadline=until, priority=int(bulk))
        except QueueFull as error:
            leg.future = asyncio.get_running_loop().create_future()
            leg.future.set_exception(error)
        else:
            self._deadlines.watch(leg.future, until, self._expire)
        return leg

    def _expire(self, future: asyncio.Future[ResultT]) -> None:
        future.set_exception(OutOfTime(f"{self.name} did not answer in time", metadata={"peer": self.name}))

    async def _send(self, batch: Batch[Leg[MessageT, ResultT], ResultT]) -> None:
        sent = time.monotonic()
        for pending in batch:
            pending.item.sent = sent
        request: Any = self._request(items=[pending.item.message for pending in batch])

        def answered(response: Any) -> None:  # noqa: ANN401 - any list RPC's
            now = time.monotonic()
            for result in response.results:
                pending = batch[result.index]
                pending.item.answered = now
                if result.HasField("error"):
                    pending.fail(RemoteError(result.error))
                else:
                    pending.resolve(result)
            batch.answers_have_begun()

        # Each item's own time is watched; the list's is what it may cost in all.
        await self._caller.ask(request, timeout=self._budget.seconds, answered=answered)
