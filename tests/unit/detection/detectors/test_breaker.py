"""The breaker: what does not work is left alone, and tried again once."""

from __future__ import annotations

from services.detection.detectors.breaker import Breaker, Pass, State


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def made(failures: int = 2, calls: int = 4) -> tuple[Breaker, Clock, list[State]]:
    clock, heard = Clock(), list[State]()
    return Breaker(failures=failures, calls=calls, seconds=30, clock=clock, changed=heard.append), clock, heard


def entered(breaker: Breaker) -> Pass:
    one = breaker.enter()
    assert one is not None
    return one


def state(breaker: Breaker) -> State:
    return breaker.state


def opened() -> tuple[Breaker, Clock, list[State]]:
    breaker, clock, heard = made()
    for _ in range(2):
        breaker.failed(entered(breaker))
    return breaker, clock, heard


def test_it_opens_when_so_many_of_the_last_calls_have_failed() -> None:
    breaker, _, heard = made()
    breaker.failed(entered(breaker))
    for _ in range(4):
        breaker.worked(entered(breaker))
    breaker.failed(entered(breaker))
    assert state(breaker) is State.CLOSED, "the first failure is too long ago"
    breaker.worked(entered(breaker))
    breaker.failed(entered(breaker))
    assert state(breaker) is State.OPEN
    assert heard == [State.OPEN]
    assert breaker.refuses
    assert breaker.enter() is None


def test_after_its_time_one_call_tries_and_the_others_wait_for_what_it_finds() -> None:
    breaker, clock, heard = opened()
    clock.now += 29.9
    assert breaker.enter() is None
    clock.now += 0.1
    assert state(breaker) is State.HALF_OPEN
    probe = entered(breaker)
    assert breaker.enter() is None
    breaker.worked(probe)
    assert state(breaker) is State.CLOSED
    assert not breaker.refuses
    assert heard == [State.OPEN, State.HALF_OPEN, State.CLOSED]


def test_a_try_that_fails_opens_it_again_for_as_long() -> None:
    breaker, clock, heard = opened()
    clock.now += 30
    breaker.failed(entered(breaker))
    assert state(breaker) is State.OPEN
    clock.now += 29
    assert breaker.enter() is None
    clock.now += 1
    assert breaker.enter() is not None
    assert heard == [State.OPEN, State.HALF_OPEN, State.OPEN, State.HALF_OPEN]


def test_a_try_that_says_nothing_leaves_the_next_one_to_try() -> None:
    breaker, clock, _ = opened()
    clock.now += 30
    breaker.left(entered(breaker))
    assert state(breaker) is State.HALF_OPEN
    breaker.worked(entered(breaker))
    assert state(breaker) is State.CLOSED


def test_what_began_before_it_turned_does_not_count_any_more() -> None:
    breaker, clock, _ = made()
    late = [entered(breaker) for _ in range(5)]
    for _ in range(2):
        breaker.failed(entered(breaker))
    breaker.worked(late[0])
    assert state(breaker) is State.OPEN
    clock.now += 30
    probe = entered(breaker)
    breaker.failed(late[1])
    breaker.left(late[2])
    assert breaker.enter() is None, "the try is still under way"
    breaker.worked(probe)
    for one in late[3:]:
        breaker.failed(one)
    assert state(breaker) is State.CLOSED
