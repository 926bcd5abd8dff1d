"""Who is next at the deep tier: lists of one length, tenants in turn."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import pytest
from moat_client.coalescer import Pending

from services.detection.deep_line import DeepLine


class Asked(NamedTuple):
    length: int
    tenant: str


Line = DeepLine[Asked, None]


@pytest.fixture
async def line() -> Line:
    return DeepLine((16, 32), length=lambda asked: asked.length, tenant=lambda asked: asked.tenant)


def push(line: Line, *asked: Asked) -> None:
    for one in asked:
        line.push(Pending(one, asyncio.get_running_loop().create_future(), None), 0)


def take(line: Line, most: int) -> list[Asked]:
    return [pending.item for pending in line.take(most)]


async def test_a_list_is_of_one_length_and_the_lengths_take_turns(line: Line) -> None:
    push(line, *[Asked(16, "t")] * 5, *[Asked(32, "t")] * 2)
    assert take(line, 2) == [Asked(16, "t")] * 2
    assert take(line, 4) == [Asked(32, "t")] * 2
    assert (take(line, 4), len(line)) == ([Asked(16, "t")] * 3, 0)


async def test_a_quiet_tenant_is_in_the_next_list_however_much_a_greedy_one_asks(line: Line) -> None:
    push(line, *[Asked(16, "greedy")] * 100, Asked(16, "quiet"))
    assert take(line, 2) == [Asked(16, "greedy"), Asked(16, "quiet")]


async def test_a_length_that_nobody_asks_takes_no_turn(line: Line) -> None:
    push(line, *[Asked(32, "t")] * 2)
    assert [take(line, 1), take(line, 1)] == [[Asked(32, "t")]] * 2
