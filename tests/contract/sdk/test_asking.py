"""What a program gets from the SDK while all is well: few lists for many callers, and mistakes named before any call."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import pytest
from moat_client import MoatError

from services.runtime.errors import NotAuthenticated
from tests.contract.gateway.waiting import until
from tests.contract.sdk.conftest import OpenClient
from tests.contract.sdk.fake_edge import FakeEdge


async def test_one_caller_has_an_answer_at_once(edge: FakeEdge, open_client: OpenClient, transport: str) -> None:
    decision = await open_client(transport=transport).moderate("hello", user_id="ann", channel_id="lobby")
    assert (decision.outcome, decision.display_text, decision.outage) == ("ALLOW", "hello", False)
    (item,) = edge.items
    assert (item.user_id, item.channel_id, item.surface) == ("ann", "lobby", "chat")


async def test_callers_that_ask_together_share_lists(edge: FakeEdge, open_client: OpenClient) -> None:
    moat = open_client(streams=2)
    decisions = await asyncio.gather(*(moat.moderate(f"line {number}", user_id="ann") for number in range(100)))
    assert [decision.display_text for decision in decisions] == [f"line {number}" for number in range(100)]
    assert len(edge.lists) == 2
    assert len(edge.tokens) == 2, "and each stream is one call"


async def test_lists_gather_while_all_turns_are_taken(edge: FakeEdge, open_client: OpenClient) -> None:
    moat = open_client(frames=1, max_frame=16)
    edge.gate.clear()
    first = asyncio.ensure_future(moat.moderate("first", user_id="ann"))
    await until(lambda: len(edge.lists) == 1)
    rest = [asyncio.ensure_future(moat.moderate(f"{number}", user_id="ann")) for number in range(40)]
    await asyncio.sleep(0.05)
    assert len(edge.lists) == 1
    edge.gate.set()
    await asyncio.gather(first, *rest)
    assert [len(one) for one in edge.lists] == [1, 16, 16, 8]


async def test_without_coalescing_each_item_is_a_call_of_its_own(edge: FakeEdge, open_client: OpenClient) -> None:
    moat = open_client(transport="unary")
    await asyncio.gather(*(moat.moderate(f"line {number}", user_id="ann") for number in range(5)))
    assert [len(one) for one in edge.lists] == [1] * 5


async def test_the_callers_own_request_id_is_kept_and_others_are_made(edge: FakeEdge, open_client: OpenClient) -> None:
    moat = open_client()
    await moat.moderate("hello", user_id="ann", request_id="mine")
    await moat.moderate("hello", user_id="ann")
    await moat.moderate("hello", user_id="ann")
    assert edge.request_ids[0] == "mine"
    assert len(set(edge.request_ids)) == 3


async def test_the_same_request_asked_twice_at_once_is_answered_twice(
    edge: FakeEdge, open_client: OpenClient, transport: str
) -> None:
    moat = open_client(transport=transport)
    both = await asyncio.gather(*(moat.moderate("hello", user_id="ann", request_id="r1") for _ in range(2)))
    assert [decision.decision_id for decision in both] == ["decision-of-r1"] * 2


async def test_a_request_id_in_flight_with_other_content_is_refused_at_once(
    edge: FakeEdge, open_client: OpenClient
) -> None:
    """Answers are told apart by their id: one of the two would get the other's."""
    moat = open_client()
    edge.gate.clear()
    first = asyncio.ensure_future(moat.moderate("hello", user_id="ann", request_id="r1"))
    await until(lambda: len(edge.lists) == 1)
    with pytest.raises(MoatError) as caught:
        await moat.moderate("something else", user_id="ann", request_id="r1")
    assert (caught.value.code, caught.value.reason) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_IN_FLIGHT")
    edge.gate.set()
    assert (await first).display_text == "hello"


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "at least 1"), ("x" * 10_001, "at most 10000"), ("half \ud83d a pair", "lone surrogate")],
    ids=["empty", "too long", "lone surrogate"],
)
async def test_text_that_cannot_be_decided_is_named_before_any_call(
    edge: FakeEdge, open_client: OpenClient, text: str, said: str
) -> None:
    with pytest.raises(MoatError) as caught:
        await open_client(on_outage="allow").moderate(text, user_id="ann")
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert said in caught.value.fields["content.text.text"]
    assert edge.tokens == []


@pytest.mark.parametrize("field", ["user_id", "channel_id", "surface", "request_id", "target_user_ids"])
async def test_a_lone_surrogate_anywhere_is_named_before_any_call(
    edge: FakeEdge, open_client: OpenClient, field: str
) -> None:
    value = ["\udc00"] if field == "target_user_ids" else "\udc00"
    with pytest.raises(MoatError) as caught:
        await open_client().moderate("hello", **{"user_id": "ann", field: value})  # type: ignore[arg-type]
    assert list(caught.value.fields) == [field]
    assert edge.tokens == []


async def test_a_token_file_is_read_again_when_a_stream_is_opened_again(
    edge: FakeEdge, open_client: OpenClient, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("one\n")
    moat = open_client(token=file)
    await moat.moderate("hello", user_id="ann")
    file.write_text("two\n")
    await moat.moderate("hello", user_id="ann")
    assert edge.tokens == ["Bearer one"]
    edge.breaks.append(grpc.StatusCode.UNAVAILABLE)
    await moat.moderate("hello", user_id="ann")
    assert edge.tokens == ["Bearer one", "Bearer two"]


async def test_a_stream_that_outlives_its_token_costs_nobody_the_answer(
    edge: FakeEdge, open_client: OpenClient
) -> None:
    """The mesh reads no more from it, and it is the token's end that it tells."""
    tokens = iter(["one", "two"])
    edge.breaks.append(NotAuthenticated("the token has expired", reason="TOKEN_EXPIRED"))
    decision = await open_client(token=lambda: next(tokens)).moderate("hello", user_id="ann")
    assert decision.outcome == "ALLOW"
    assert edge.tokens == ["Bearer one", "Bearer two"]


async def test_a_token_that_stays_expired_is_an_error(edge: FakeEdge, open_client: OpenClient) -> None:
    edge.breaks += [NotAuthenticated("the token has expired", reason="TOKEN_EXPIRED")] * 3
    with pytest.raises(MoatError) as caught:
        await open_client().moderate("hello", user_id="ann")
    assert caught.value.code is grpc.StatusCode.UNAUTHENTICATED
    assert len(edge.tokens) == 2


async def test_a_function_is_asked_for_a_token(edge: FakeEdge, open_client: OpenClient, transport: str) -> None:
    await open_client(token=lambda: "made", transport=transport).moderate("hello", user_id="ann")
    assert edge.tokens == ["Bearer made"]


async def test_a_token_that_cannot_be_read_is_named(
    edge: FakeEdge, open_client: OpenClient, transport: str, tmp_path: Path
) -> None:
    moat = open_client(token=tmp_path / "none", transport=transport, on_outage="allow")
    with pytest.raises(MoatError, match=str(tmp_path / "none")) as caught:
        await moat.moderate("hello", user_id="ann")
    assert (caught.value.code, caught.value.reason) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_UNREADABLE")
    (tmp_path / "none").write_text("there")
    assert (await moat.moderate("hello", user_id="ann")).outcome == "ALLOW"


async def test_a_traceparent_of_the_callers_own_is_passed_on_and_others_are_made(
    edge: FakeEdge, open_client: OpenClient
) -> None:
    moat = open_client()
    given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    await moat.moderate("hello", user_id="ann", traceparent=given)
    await moat.moderate("hello", user_id="ann")
    first, second = edge.items
    assert first.traceparent == given
    assert second.traceparent.startswith("00-")
    assert given[3:35] not in second.traceparent
