"""When the log cannot be reached: decisions go to the gateway's disk, and from there to the log, once each."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import grpc
import pytest
from moat.enforcement.v1 import enforcement_pb2

from services.runtime.errors import DependencyDown, Internal, OverQuota
from tests.contract.gateway.fake_mesh import item, reason
from tests.contract.gateway.waiting import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.contract.gateway.fake_mesh import FakeMesh

    StartFakeMesh = Callable[..., Awaitable[FakeMesh]]


def spooled(fake_mesh: FakeMesh) -> int:
    return len(fake_mesh.gateway.spool)


async def test_an_answer_given_without_the_log_reaches_it_later(fake_mesh: FakeMesh) -> None:
    await fake_mesh.audit.stop()
    decision = await fake_mesh.decide(item("r1", "so rude"))
    assert decision.display_text == "so ****"
    assert list(decision.degraded) == ["audit:spooled"]
    assert spooled(fake_mesh) == 1
    await fake_mesh.audit.start_again()
    await until(lambda: spooled(fake_mesh) == 0)
    record = fake_mesh.audit.records[decision.decision_id]
    assert record.spooled
    assert list(record.degraded) == ["audit:spooled"]


@pytest.mark.parametrize("error", [DependencyDown("redis is gone"), OverQuota("the log is full"), Internal()])
async def test_a_log_that_answers_with_an_error_is_as_good_as_gone(fake_mesh: FakeMesh, error: Internal) -> None:
    fake_mesh.audit.error = error
    decision = await fake_mesh.decide(item("r1"))
    assert list(decision.degraded) == ["audit:spooled"]
    fake_mesh.audit.error = None
    await until(lambda: spooled(fake_mesh) == 0)
    assert decision.decision_id in fake_mesh.audit.records


async def test_a_repeat_of_a_spooled_request_gets_its_decision(fake_mesh: FakeMesh) -> None:
    await fake_mesh.audit.stop()
    first = await fake_mesh.decide(item("r1", "so rude"))
    second = await fake_mesh.decide(item("r1", "so rude"))
    assert second.decision_id == first.decision_id
    assert second.replayed
    assert second.display_text == "so ****"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await fake_mesh.decide(item("r1", "something else"))
    assert reason(caught.value) == "REQUEST_ID_REUSED"
    assert spooled(fake_mesh) == 1


async def test_an_append_of_unknown_outcome_is_recorded_once(fake_mesh: FakeMesh) -> None:
    """The log took the decision and then hung: the gateway cannot know, spools it too, and the id sorts it out."""
    fake_mesh.audit.forgets_to_answer = True
    decision = await fake_mesh.decide(item("r1"))
    assert list(decision.degraded) == ["audit:spooled"]
    fake_mesh.audit.forgets_to_answer = False
    await until(lambda: spooled(fake_mesh) == 0)
    assert list(fake_mesh.audit.records) == [decision.decision_id]


async def test_nobody_waits_for_a_log_that_is_known_to_hang(fake_mesh: FakeMesh) -> None:
    fake_mesh.audit.gate.clear()
    await fake_mesh.decide(item("r0"))
    started = time.monotonic()
    await asyncio.gather(*(fake_mesh.decide(item(f"r{i}")) for i in range(1, 20)))
    assert time.monotonic() - started < 0.5
    assert spooled(fake_mesh) == 20
    fake_mesh.audit.gate.set()
    await until(lambda: spooled(fake_mesh) == 0)
    assert len(fake_mesh.audit.records) == 20
    assert not (await fake_mesh.decide(item("after"))).degraded


async def test_a_hurried_item_does_not_give_the_log_up_for_all(fake_mesh: FakeMesh) -> None:
    fake_mesh.audit.slow = 0.2
    hurried = item("r1")
    hurried.timeout.FromMilliseconds(200)
    results = await fake_mesh.decide_all([hurried, item("r2")])
    assert list(results[0].decision.degraded) == ["audit:spooled"]
    assert not results[1].decision.degraded
    assert not (await fake_mesh.decide(item("r3"))).degraded


async def test_effects_of_a_spooled_decision_are_applied_at_once_and_once(fake_mesh: FakeMesh) -> None:
    await fake_mesh.audit.stop()
    decision = await fake_mesh.decide(item("r1", "a threat"))
    assert decision.actions[0].state == enforcement_pb2.ENFORCEMENT_STATE_APPLIED
    await fake_mesh.audit.start_again()
    await until(lambda: spooled(fake_mesh) == 0)
    assert fake_mesh.audit.intents[decision.decision_id].context.deadline_unix_nanos == 0
    assert list(fake_mesh.enforcement.applied) == [decision.decision_id]


async def test_a_request_decided_elsewhere_meanwhile_keeps_both_records(fake_mesh: FakeMesh) -> None:
    first = await fake_mesh.decide(item("r1", "a threat"))
    await fake_mesh.audit.stop()
    second = await fake_mesh.decide(item("r1", "a threat"))
    assert second.decision_id != first.decision_id, "the gateway cannot know of the first: its log is gone"
    await fake_mesh.audit.start_again()
    await until(lambda: spooled(fake_mesh) == 0)
    assert fake_mesh.audit.records[second.decision_id].duplicate_of == first.decision_id
    assert list(fake_mesh.audit.intents) == [first.decision_id]


async def test_the_spool_survives_its_gateway(fake_mesh: FakeMesh) -> None:
    await fake_mesh.audit.stop()
    decision = await fake_mesh.decide(item("r1", "so rude"))
    await fake_mesh.stop_gateway()
    await fake_mesh.start_gateway()
    assert spooled(fake_mesh) == 1
    again = await fake_mesh.decide(item("r1", "so rude"))
    assert (again.decision_id, again.replayed) == (decision.decision_id, True)
    await fake_mesh.audit.start_again()
    await until(lambda: spooled(fake_mesh) == 0)
    assert list(fake_mesh.audit.records) == [decision.decision_id]


async def test_a_full_spool_refuses_rather_than_forgets(start_fake_mesh: StartFakeMesh) -> None:
    fake_mesh = await start_fake_mesh(spool_max_records=2)
    await fake_mesh.audit.stop()
    for i in range(2):
        await fake_mesh.decide(item(f"r{i}"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await fake_mesh.decide(item("r2"))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert reason(caught.value) == "UNRECORDABLE"
    await fake_mesh.audit.start_again()
    await until(lambda: spooled(fake_mesh) == 0)
    assert len(fake_mesh.audit.records) == 2


async def test_a_tenant_may_choose_an_unrecorded_answer(start_fake_mesh: StartFakeMesh) -> None:
    fake_mesh = await start_fake_mesh(spool_max_records=0)
    await fake_mesh.audit.stop()
    decision = await fake_mesh.decide(item("r1", "so rude"), "open")
    assert decision.display_text == "so ****"
    assert list(decision.degraded) == ["audit:unrecorded"]


async def test_a_broken_spool_is_the_tenants_choice_too_and_heals(fake_mesh: FakeMesh) -> None:
    path = fake_mesh.state / "gateway" / "spool.sqlite"
    await fake_mesh.stop_gateway()
    for file in path.parent.iterdir():
        file.unlink()
    path.write_bytes(b"this is no database" * 100)
    await fake_mesh.start_gateway()
    assert not (await fake_mesh.decide(item("r1"))).degraded, "while the log is well nobody needs the spool"
    await fake_mesh.audit.stop()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await fake_mesh.decide(item("r2"))
    assert reason(caught.value) == "UNRECORDABLE"
    path.unlink()
    assert list((await fake_mesh.decide(item("r3"))).degraded) == ["audit:spooled"]


async def test_a_record_that_the_log_refuses_for_good_is_kept_and_blocks_nobody(fake_mesh: FakeMesh) -> None:
    await fake_mesh.audit.stop()
    await fake_mesh.decide(item("bad"))
    good = await fake_mesh.decide(item("good"))
    path = fake_mesh.state / "gateway" / "spool.sqlite"
    with closing(sqlite3.connect(path)) as db, db:
        # An item without a record: no log takes it.
        db.execute("update spooled set item = x'' where request_id = 'bad'")
    await fake_mesh.audit.start_again()
    await until(lambda: spooled(fake_mesh) == 1)
    assert list(fake_mesh.audit.records) == [good.decision_id]
    await until(lambda: rows(path) == [("bad", 1)])


def rows(path: Path) -> list[tuple[str, int]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute("select request_id, parked from spooled").fetchall()
