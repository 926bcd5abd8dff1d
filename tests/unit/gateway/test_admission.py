"""The front door, on a clock of its own."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.admission import Admission
from services.runtime.errors import MoatError, OutOfTime, OverQuota
from tests.unit.gateway.tenants import tenant

if TYPE_CHECKING:
    from gateway.tenants import Tenant


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Job:
    name: str
    started: list[str]
    tenant: Tenant = field(default_factory=tenant)
    bulk: bool = False
    deadline: float = 9999.0
    gone: bool = False
    turned_away: list[MoatError | None] = field(default_factory=list)

    def start(self) -> None:
        self.started.append(self.name)

    def turn_away(self, error: MoatError | None) -> None:
        self.turned_away.append(error)


class Door:
    """An admission with what went through it."""

    def __init__(self, limit: int = 1, max_wait: float = 10.0) -> None:
        self.clock = Clock()
        self.admission = Admission(limit, max_wait, clock=self.clock)
        self.started: list[str] = []

    def enter(self, name: str, **more: object) -> Job:
        job = Job(name, self.started, **more)  # type: ignore[arg-type]
        self.admission.enter(job)
        return job

    def work(self, times: int, seconds: float) -> None:
        """Each piece in flight takes `seconds`."""
        for _ in range(times):
            self.clock.now += seconds
            self.admission.leave(seconds)


def test_there_is_no_wait_while_there_is_room() -> None:
    door = Door(limit=2)
    assert door.admission.enter(Job("a", door.started)) is None
    assert door.admission.enter(Job("b", door.started)) is None
    assert door.started == ["a", "b"]


def test_no_more_than_the_limit_is_in_flight() -> None:
    door = Door(limit=2)
    for name in "abcd":
        door.enter(name)
    assert (door.admission.in_flight, door.admission.waiting) == (2, 2)
    door.work(1, 0.01)
    assert door.started == ["a", "b", "c"]


def test_a_wait_ends_with_the_items_patience_or_the_gateways() -> None:
    door = Door(max_wait=2)
    door.enter("a")
    assert door.admission.enter(Job("b", door.started, deadline=1001.0)) == 1001.0
    assert door.admission.enter(Job("c", door.started)) == 1002.0


def test_whoever_left_the_line_is_skipped() -> None:
    door = Door()
    door.enter("a")
    gone = door.enter("gone", gone=True)
    door.enter("b")
    door.work(1, 0.01)
    assert door.started == ["a", "b"]
    assert gone.turned_away == [None]


def test_work_that_cannot_be_finished_in_time_is_not_begun() -> None:
    door = Door()
    door.enter("a")
    late = door.enter("late", deadline=1000.02)
    door.enter("b")
    door.work(1, 0.1)
    assert door.started == ["a", "b"]
    assert isinstance(late.turned_away[0], OutOfTime)


def test_room_is_what_is_free_and_what_may_wait() -> None:
    door = Door(limit=3)
    one, other = tenant("one", max_waiting=5), tenant("other", max_waiting=5)
    assert door.admission.room(one) == 8
    for i in range(7):
        door.enter(f"{i}", tenant=one)
    assert door.admission.room(one) == 1
    assert door.admission.room(other) == 5


def test_a_full_line_is_refused_with_the_time_its_half_takes() -> None:
    door = Door()
    small = tenant(max_waiting=50)
    for i in range(51):
        door.enter(f"{i}", tenant=small)
    refusal = door.admission.refusal(small, seconds_left=60, bulk=False)
    assert isinstance(refusal, OverQuota)
    door.work(20, 0.02)
    for i in range(20):
        door.enter(f"again {i}", tenant=small)
    refusal = door.admission.refusal(small, seconds_left=60, bulk=False)
    assert isinstance(refusal, OverQuota)
    assert 0.4 < refusal.retry_after_seconds < 0.6, "25 items of 20 ms each"


def test_a_turn_after_the_deadline_is_refused_at_once() -> None:
    door = Door()
    for i in range(60):
        door.enter(f"{i}")
    door.work(20, 0.02)
    assert isinstance(door.admission.refusal(tenant(), seconds_left=0.5, bulk=False), OutOfTime)
    assert door.admission.refusal(tenant(), seconds_left=5, bulk=False) is None


def test_a_quiet_tenants_turn_is_expected_by_its_own_line() -> None:
    door = Door()
    for i in range(60):
        door.enter(f"{i}")
    door.work(20, 0.02)
    assert door.admission.refusal(tenant("quiet"), seconds_left=0.5, bulk=False) is None


def test_bulk_waits_for_everything_else_and_its_expectation_says_so() -> None:
    door = Door()
    for i in range(60):
        door.enter(f"{i}")
    door.work(20, 0.02)
    assert isinstance(door.admission.refusal(tenant("quiet"), seconds_left=0.5, bulk=True), OutOfTime)


def test_a_wait_longer_than_the_gateway_allows_is_refused() -> None:
    door = Door(max_wait=0.3)
    for i in range(60):
        door.enter(f"{i}")
    door.work(20, 0.02)
    assert isinstance(door.admission.refusal(tenant(), seconds_left=60, bulk=False), OverQuota)


def test_idle_hours_do_not_make_the_door_look_slow() -> None:
    door = Door()
    for i in range(10):
        door.enter(f"{i}")
        door.work(1, 3600)
    door.enter("a")
    door.enter("b")
    assert door.admission.refusal(tenant(), seconds_left=0.05 + 3600, bulk=False) is None


def test_a_refusal_is_cheap() -> None:
    door = Door()
    small = tenant(max_waiting=5)
    for i in range(6):
        door.enter(f"{i}", tenant=small)
    started = time.process_time()
    for _ in range(1000):
        door.admission.room(small)
    assert (time.process_time() - started) / 1000 < 15e-6
