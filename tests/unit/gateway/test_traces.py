"""Which traces are kept."""

from __future__ import annotations

import math

import pytest
from moat.moderation.v1 import moderation_pb2
from moat.routing.v1 import verdict_pb2

from gateway.items import Arrival, Item
from gateway.traces import Budget, Finished, KeepRule
from services.runtime.errors import Internal
from tests.unit.gateway.tenants import tenant

PLAIN = moderation_pb2.Decision(outcome=verdict_pb2.OUTCOME_ALLOW)
MASKED = moderation_pb2.Decision(outcome=verdict_pb2.OUTCOME_MASK)
DEGRADED = moderation_pb2.Decision(outcome=verdict_pb2.OUTCOME_ALLOW, degraded=["context:missing"])


def finished(
    outcome: moderation_pb2.Decision | Internal = PLAIN, *, seconds: float = 0.01, trace_id: str = ""
) -> Finished:
    item = Item(moderation_pb2.ModerationItem(), Arrival(tenant(), "production", "s", math.inf), math.inf, bulk=False)
    item.begin()
    item.trace_id = trace_id or item.trace_id
    return Finished(item, outcome, item.arrival.at + seconds)


def test_a_share_of_plain_decisions_is_kept_whatever_made_their_ids() -> None:
    rule = KeepRule(share=0.25, notable=True, slow_seconds=0.5, budget=Budget(10))
    kept = sum(rule.keeps(finished()) for _ in range(2000))
    assert 400 < kept < 600


def test_every_gateway_keeps_the_same_ones() -> None:
    rule = KeepRule(share=0.5, notable=False, slow_seconds=0.5, budget=Budget(10))
    low, high = "f" * 24 + "1" * 8, "0" * 24 + "9" * 8
    assert rule.keeps(finished(trace_id=low))
    assert not rule.keeps(finished(trace_id=high))


@pytest.mark.parametrize(
    "notable", [finished(MASKED), finished(DEGRADED), finished(Internal()), finished(PLAIN, seconds=0.6)]
)
def test_what_somebody_will_ask_about_is_kept(notable: Finished) -> None:
    assert KeepRule(share=0, notable=True, slow_seconds=0.5, budget=Budget(10)).keeps(notable)
    assert not KeepRule(share=0, notable=False, slow_seconds=0.5, budget=Budget(10)).keeps(notable)


def test_a_share_of_all_is_all() -> None:
    assert KeepRule(share=1, notable=False, slow_seconds=0.5, budget=Budget(10)).keeps(finished(trace_id="f" * 32))


def test_an_overload_is_described_by_a_bounded_number_of_traces() -> None:
    rule = KeepRule(share=0, notable=True, slow_seconds=0.5, budget=Budget(10))
    one = finished(seconds=0.6)
    assert sum(rule.keeps(one) for _ in range(100)) == 10
    half_a_second_later = Finished(one.item, one.outcome, one.at + 0.5)
    assert sum(rule.keeps(half_a_second_later) for _ in range(100)) == 5
