"""A client that is closed leaves nobody waiting."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from moat_client import MoatError

from tests.contract.gateway.waiting import until
from tests.contract.sdk.conftest import OpenClient
from tests.contract.sdk.fake_edge import FakeEdge


@pytest.mark.parametrize("on_outage", ["raise", "allow"])
async def test_closing_settles_what_is_in_flight_and_what_waits(
    edge: FakeEdge, open_client: OpenClient, transport: str, on_outage: str
) -> None:
    moat = open_client(transport=transport, frames=1, max_frame=2, timeout=60, on_outage=on_outage)
    edge.gate.clear()
    asked = [asyncio.ensure_future(moat.moderate(f"{number}", user_id="ann")) for number in range(7)]
    await until(lambda: len(edge.lists) > 0)
    sent = len(edge.items)
    async with asyncio.timeout(2):
        await moat.close()
        answers = await asyncio.gather(*asked, return_exceptions=True)
    errors = [answer for answer in answers if isinstance(answer, MoatError)]
    assert [(error.code, error.reason) for error in errors] == [(grpc.StatusCode.CANCELLED, "CLIENT_CLOSED")] * 7
    assert len(edge.items) == sent or transport == "unary", "and sends nothing more"


async def test_a_closed_client_says_so(edge: FakeEdge, open_client: OpenClient, transport: str) -> None:
    moat = open_client(transport=transport)
    await moat.moderate("hello", user_id="ann")
    await moat.close()
    with pytest.raises(MoatError) as caught:
        await moat.moderate("hello", user_id="ann")
    assert caught.value.reason == "CLIENT_CLOSED"


async def test_closing_twice_is_closing(edge: FakeEdge, open_client: OpenClient) -> None:
    moat = open_client()
    await moat.moderate("hello", user_id="ann")
    await moat.close()
    await moat.close()
