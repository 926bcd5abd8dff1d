"""Turns: fair by weight, in order within a tenant, and no dearer for a thousand tenants."""

from __future__ import annotations

import sys
from collections import Counter
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.fair_queue import FairQueue


def filled(*work: tuple[str, int, int]) -> FairQueue[str]:
    """(tenant, weight, count)…"""
    queue: FairQueue[str] = FairQueue()
    for tenant, weight, count in work:
        for i in range(count):
            queue.push(tenant, weight, f"{tenant}{i}")
    return queue


def test_tenants_take_turns_whatever_they_want() -> None:
    queue = filled(("greedy", 1, 100), ("a", 1, 2), ("b", 1, 2))
    assert [queue.pop() for _ in range(7)] == ["greedy0", "a0", "b0", "greedy1", "a1", "b1", "greedy2"]


def test_weight_is_the_share_of_turns() -> None:
    queue = filled(("heavy", 3, 100), ("light", 1, 100))
    assert Counter(queue.pop()[:5] for _ in range(40)) == {"heavy": 30, "light": 10}


def test_who_comes_late_waits_one_round_and_no_more() -> None:
    queue = filled(("greedy", 1, 100))
    queue.pop()
    queue.push("late", 1, "late0")
    assert "late0" in [queue.pop(), queue.pop()]


def test_an_idle_tenant_saves_nothing_up() -> None:
    queue = filled(("busy", 1, 50), ("idle", 5, 1))
    for _ in range(10):
        queue.pop()
    queue.push("idle", 5, "back")
    for i in range(9):
        queue.push("idle", 5, f"more{i}")
    assert Counter(work[:4] for work in (queue.pop() for _ in range(12)))["busy"] >= 2


def test_shares_are_of_those_who_want_something() -> None:
    queue = filled(("a", 1, 1))
    assert queue.share("a", 1) == 1
    assert queue.share("b", 3) == 0.75
    queue.pop()
    assert queue.share("b", 3) == 1


def test_an_empty_queue_has_no_next() -> None:
    with pytest.raises(IndexError):
        filled().pop()


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 4)), max_size=60))
def test_nothing_is_lost_or_doubled_and_each_tenants_order_is_kept(pushes: list[tuple[str, int]]) -> None:
    queue: FairQueue[tuple[str, int]] = FairQueue()
    for number, (tenant, weight) in enumerate(pushes):
        queue.push(tenant, weight, (tenant, number))
    popped = [queue.pop() for _ in range(len(queue))]
    assert sorted(popped) == sorted((tenant, number) for number, (tenant, _) in enumerate(pushes))
    for name in "abc":
        own = [number for tenant, number in popped if tenant == name]
        assert own == sorted(own)
        assert queue.waiting(name) == 0


def test_a_turn_costs_the_same_for_many_tenants() -> None:
    def lines_per_turn(tenants: int) -> float:
        """Executed lines, not seconds: the same on any machine."""
        queue = filled(*((f"t{i}", 1, 2) for i in range(tenants)))
        turns, executed = len(queue), 0

        def trace(_: FrameType, event: str, __: object) -> Any:  # noqa: ANN401 - a trace function returns itself
            nonlocal executed
            executed += event == "line"
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            for _ in range(turns):
                queue.pop()
        finally:
            sys.settrace(before)
        return executed / turns

    assert lines_per_turn(1000) < 1.5 * lines_per_turn(2)
