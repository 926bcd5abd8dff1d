"""What a program gets from the SDK when something fails: in time, asked again only where that is safe, as it chose."""

from __future__ import annotations

import asyncio
import time

import grpc
import pytest
from moat.moderation.v1 import moderation_pb2
from moat_client import Decision, Moat, MoatError, Outage
from moat_client.coalescer import Coalescer

from services.runtime.errors import (
    AlreadyExists,
    DependencyDown,
    Internal,
    InvalidRequest,
    NotAllowed,
    NotAuthenticated,
    OutOfTime,
    OverQuota,
)
from services.runtime.errors import MoatError as ServerError
from tests.contract.gateway.waiting import until
from tests.contract.sdk.conftest import OpenClient
from tests.contract.sdk.fake_edge import FakeEdge


async def error_of(moat: Moat, *, timeout: float = 5.0) -> MoatError:  # noqa: ASYNC109 - the client's own
    with pytest.raises(MoatError) as caught:
        await moat.moderate("hello", user_id="ann", request_id="r1", timeout=timeout)
    return caught.value


async def test_no_answer_in_time_is_an_error_in_time(edge: FakeEdge, open_client: OpenClient, transport: str) -> None:
    moat = open_client(transport=transport)
    edge.gate.clear()
    began = time.monotonic()
    error = await error_of(moat, timeout=0.2)
    assert 0.19 < time.monotonic() - began < 1
    assert error.code is grpc.StatusCode.DEADLINE_EXCEEDED
    (item,) = edge.items
    assert 0 < item.timeout.ToNanoseconds() <= 0.2e9, "the mesh knows how long it has"


async def test_what_waited_past_its_deadline_is_never_sent(edge: FakeEdge, open_client: OpenClient) -> None:
    moat = open_client(frames=1)
    edge.gate.clear()
    first = asyncio.ensure_future(moat.moderate("first", user_id="ann", request_id="first", timeout=5))
    await until(lambda: len(edge.lists) == 1)
    error = await error_of(moat, timeout=0.05)
    assert error.code is grpc.StatusCode.DEADLINE_EXCEEDED
    edge.gate.set()
    await first
    await moat.moderate("last", user_id="ann", request_id="last")
    assert edge.request_ids == ["first", "last"]


async def test_a_deadline_already_past_costs_no_call(edge: FakeEdge, open_client: OpenClient, transport: str) -> None:
    error = await error_of(open_client(transport=transport), timeout=0.0)
    assert error.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert edge.tokens == []


async def test_a_caller_who_has_gone_costs_the_others_nothing(edge: FakeEdge, open_client: OpenClient) -> None:
    moat = open_client()
    edge.gate.clear()
    gone, stays = (asyncio.ensure_future(moat.moderate(name, user_id="ann")) for name in ("gone", "stays"))
    await until(lambda: len(edge.items) == 2)
    gone.cancel()
    edge.gate.set()
    assert (await stays).display_text == "stays"


async def test_a_mesh_that_is_away_is_asked_again_by_the_same_id(
    edge: FakeEdge, open_client: OpenClient, transport: str
) -> None:
    edge.errors += [DependencyDown("the log is away"), DependencyDown("the log is away")]
    decision = await open_client(transport=transport).moderate("hello", user_id="ann", request_id="r1")
    assert decision.decision_id == "decision-of-r1"
    assert edge.request_ids == ["r1"] * 3
    assert len({item.traceparent for item in edge.items}) == 1
    left = [item.timeout.ToNanoseconds() for item in edge.items]
    assert left == sorted(left, reverse=True), "each time with what time is left"
    assert len(set(left)) == 3


@pytest.mark.parametrize(
    "refusal",
    [
        AlreadyExists("other content", kind="request_id", name="r1", reason="REQUEST_ID_REUSED"),
        OverQuota("the line is full", reason="QUEUE_FULL", retry_after_seconds=0.25),
        InvalidRequest.field("item.user_id", "is too long"),
        NotAuthenticated("who?"),
        NotAllowed("no"),
        OutOfTime("too late"),
        Internal(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_everything_else_is_told_at_once(
    edge: FakeEdge, open_client: OpenClient, transport: str, refusal: ServerError
) -> None:
    edge.errors.append(refusal)
    error = await error_of(open_client(transport=transport))
    assert (error.code.value[0], error.reason, error.message) == (refusal.code, refusal.reason, refusal.message)
    assert edge.request_ids == ["r1"]
    if isinstance(refusal, OverQuota):
        assert error.retry_after_seconds == 0.25
    if isinstance(refusal, InvalidRequest):
        assert error.fields == {"item.user_id": "is too long"}


async def test_an_error_of_one_is_not_its_neighbours(edge: FakeEdge, open_client: OpenClient) -> None:
    moat = open_client()
    edge.errors.append(Internal())
    answers = await asyncio.gather(
        *(moat.moderate(f"{number}", user_id="ann") for number in range(4)), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [MoatError, Decision, Decision, Decision]
    assert len(edge.lists) == 1


async def test_each_item_of_a_list_has_its_own_answer(edge: FakeEdge, open_client: OpenClient) -> None:
    edge.errors.append(AlreadyExists("other content", kind="request_id", name="r1"))
    refused, decided = await open_client().moderate_many(
        [moderation_pb2.ModerationItem(request_id=name, user_id="ann") for name in ("r1", "r2")]
    )
    assert isinstance(refused, MoatError)
    assert isinstance(decided, Decision)
    assert (refused.code, decided.request_id) == (grpc.StatusCode.ALREADY_EXISTS, "r2")


async def test_a_stream_that_breaks_costs_nobody_the_answer(edge: FakeEdge, open_client: OpenClient) -> None:
    moat = open_client()
    await moat.moderate("before", user_id="ann")
    edge.breaks.append(grpc.StatusCode.UNAVAILABLE)
    ids = [f"r{number}" for number in range(8)]
    decisions = await asyncio.gather(*(moat.moderate("hello", user_id="ann", request_id=one) for one in ids))
    assert [decision.request_id for decision in decisions] == ids
    assert sorted(edge.request_ids[1:]) == sorted(ids * 2), "each is asked once again"
    assert len(edge.tokens) == 2


async def test_a_stream_that_breaks_while_many_ask_loses_nobody(edge: FakeEdge, open_client: OpenClient) -> None:
    """Lists are written the moment that the stream ends, and belong to the one that ends or to the next."""
    moat = open_client(streams=2, frames=4, max_frame=4, timeout=10)

    async def chat(user: str) -> None:
        for line in range(15):
            decision = await moat.moderate(f"line {line}", user_id=user)
            assert decision.display_text == f"line {line}"

    async def disturb() -> None:
        for _ in range(12):
            edge.breaks.append(grpc.StatusCode.UNAVAILABLE)
            await asyncio.sleep(0.01)

    began = time.monotonic()
    await asyncio.gather(disturb(), *(chat(f"user-{number}") for number in range(16)))
    assert time.monotonic() - began < 8, "nobody waited until the deadline to be asked again"


async def test_a_stream_that_is_refused_is_not_asked_again(edge: FakeEdge, open_client: OpenClient) -> None:
    edge.breaks.append(grpc.StatusCode.PERMISSION_DENIED)
    assert (await error_of(open_client())).code is grpc.StatusCode.PERMISSION_DENIED
    assert edge.request_ids == ["r1"]


@pytest.fixture
def nowhere(edge: FakeEdge) -> int:
    """A port at which nobody listens: one that the kernel does not hand out."""
    return 1


async def test_an_outage_is_an_error_unless_something_else_was_chosen(
    open_client: OpenClient, transport: str, nowhere: int
) -> None:
    error = await error_of(open_client(port=nowhere, transport=transport), timeout=0.3)
    assert error.is_outage


@pytest.mark.parametrize(
    ("choice", "outcome", "shown"),
    [(Outage.ALLOW, "ALLOW", "hello"), ("allow", "ALLOW", "hello"), ("block", "DROP", "")],
)
async def test_an_outage_does_what_was_chosen(
    open_client: OpenClient, nowhere: int, choice: Outage | str, outcome: str, shown: str
) -> None:
    moat = open_client(port=nowhere, on_outage=choice)
    decision = await moat.moderate("hello", user_id="ann", request_id="r1", timeout=0.2)
    assert (decision.outcome, decision.display_text) == (outcome, shown)
    assert (decision.outage, decision.request_id, decision.decision_id) == (True, "r1", "")


async def test_a_function_decides_in_an_outage(open_client: OpenClient, nowhere: int) -> None:
    def held(item: moderation_pb2.ModerationItem, error: MoatError) -> Decision:
        assert error.is_outage
        return Decision(outcome="HOLD", display_text="", notice=f"{item.user_id}, please wait", outage=True)

    moat = open_client(port=nowhere, on_outage=held)
    decision = await moat.moderate("hello", user_id="ann", timeout=0.2)
    assert (decision.outcome, decision.notice) == ("HOLD", "ann, please wait")


async def test_a_refusal_is_no_outage(edge: FakeEdge, open_client: OpenClient) -> None:
    edge.errors.append(OverQuota("the line is full"))
    error = await error_of(open_client(on_outage="allow"))
    assert error.code is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_mesh_that_answers_too_late_is_an_outage(edge: FakeEdge, open_client: OpenClient) -> None:
    edge.gate.clear()
    assert (await open_client(on_outage="block").moderate("hello", user_id="ann", timeout=0.1)).outage


def test_a_choice_there_is_not_is_refused_when_the_client_is_made(edge: FakeEdge, open_client: OpenClient) -> None:
    with pytest.raises(ValueError, match="shrug"):
        open_client(on_outage="shrug")


async def test_too_many_waiting_items_are_refused_here(
    edge: FakeEdge, open_client: OpenClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    moat = open_client(frames=1, on_outage="allow")
    (lane,) = moat._lanes
    assert isinstance(lane, Coalescer)
    monkeypatch.setattr(lane, "_max_queue", 2)
    edge.gate.clear()
    asked = [asyncio.ensure_future(moat.moderate("sent", user_id="ann"))]
    await until(lambda: len(edge.lists) == 1)
    asked += [asyncio.ensure_future(moat.moderate("waits", user_id="ann")) for _ in range(2)]
    await asyncio.sleep(0)
    error = await error_of(moat)
    assert (error.code, error.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "CLIENT_QUEUE_FULL")
    edge.gate.set()
    assert [decision.outage for decision in await asyncio.gather(*asked)] == [False] * 3
