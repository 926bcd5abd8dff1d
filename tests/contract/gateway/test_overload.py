"""More work than room: a tenant's share is its own, refusals are early, cheap and say when to come back."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from google.protobuf import duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from moat.mesh.v1 import item_pb2
from moat.moderation.v1 import moderation_service_pb2 as api
from prometheus_client import REGISTRY

from tests.contract.gateway.fake_mesh import caller, item, reason
from tests.contract.gateway.waiting import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.contract.gateway.fake_mesh import FakeMesh

    StartFakeMesh = Callable[..., Awaitable[FakeMesh]]


def retry_seconds(status: status_pb2.Status) -> float:
    info = error_details_pb2.RetryInfo()
    assert any(detail.Unpack(info) for detail in status.details)
    return float(info.retry_delay.ToNanoseconds() / 1e9)


def order(fake_mesh: FakeMesh) -> list[str]:
    """In which order items reached detection."""
    return [one.context.request_id for one in fake_mesh.detection.seen]


async def test_a_quiet_tenant_does_not_wait_behind_a_greedy_one(start_fake_mesh: StartFakeMesh) -> None:
    fake_mesh = await start_fake_mesh(in_flight_limit=1)
    fake_mesh.detection.gate.clear()
    greedy = asyncio.ensure_future(fake_mesh.decide_all([item(f"g{i}") for i in range(30)], "greedy"))
    await until(lambda: bool(fake_mesh.detection.calls))
    quiet = asyncio.ensure_future(fake_mesh.decide_all([item(f"q{i}") for i in range(3)], "demo"))
    await asyncio.sleep(0.05)
    fake_mesh.detection.gate.set()
    await asyncio.gather(greedy, quiet)
    assert order(fake_mesh)[:7] == ["g0", "g1", "q0", "g2", "q1", "g3", "q2"]


async def test_what_a_person_waits_for_goes_first(start_fake_mesh: StartFakeMesh) -> None:
    fake_mesh = await start_fake_mesh(in_flight_limit=1)
    fake_mesh.detection.gate.clear()
    asked = [item("first")]
    asked += [item(f"bulk{i}", priority=item_pb2.PRIORITY_BULK) for i in range(2)]
    asked += [item("person")]
    results = asyncio.ensure_future(fake_mesh.decide_all(asked))
    await until(lambda: bool(fake_mesh.detection.calls))
    fake_mesh.detection.gate.set()
    await results
    assert order(fake_mesh) == ["first", "person", "bulk0", "bulk1"]


async def test_a_full_line_refuses_and_says_when_to_come_back(start_fake_mesh: StartFakeMesh) -> None:
    fake_mesh = await start_fake_mesh(in_flight_limit=1)
    fake_mesh.detection.gate.clear()
    waiting = asyncio.ensure_future(fake_mesh.decide_all([item(f"g{i}") for i in range(100)], "greedy"))
    await until(lambda: bool(fake_mesh.detection.calls))
    quiet = asyncio.ensure_future(fake_mesh.decide(item("q1"), "demo"))
    await asyncio.sleep(0.02)
    fake_mesh.detection.gate.set()
    results = await waiting
    refused = [result for result in results if result.error.code]
    assert len(refused) == 100 - 1 - 64, "one in flight, 64 waiting"
    assert {result.error.code for result in refused} == {code_pb2.RESOURCE_EXHAUSTED}
    assert {reason(result.error) for result in refused} == {"TENANT_QUEUE_FULL"}
    assert 0 < retry_seconds(refused[0].error) <= 5
    assert (await quiet).decision_id, "another tenant's line is another line"


async def test_a_stream_that_asks_for_too_much_is_read_more_slowly(start_fake_mesh: StartFakeMesh) -> None:
    fake_mesh = await start_fake_mesh(in_flight_limit=1)
    fake_mesh.detection.gate.clear()
    stream = fake_mesh.stub.StreamModerate(None, metadata=caller("greedy"))
    await stream.write(api.StreamModerateRequest(items=[item(f"fits{i}") for i in range(65)]))
    refused: dict[str, float] = {}
    for turn in range(3):
        await stream.write(api.StreamModerateRequest(items=[item(f"turn{turn}-{i}") for i in range(50)]))
    while len(refused) < 150:
        response: Any = await stream.read()
        for result in response.results:
            assert reason(result.error) == "TENANT_QUEUE_FULL"
            refused[result.request_id] = time.monotonic()
    fake_mesh.detection.gate.set()
    stream.cancel()
    times = [refused[f"turn{turn}-0"] for turn in range(3)]
    # Each refusal says after how long to come back (50 ms at least), and so long the stream is left alone.
    assert min(times[1] - times[0], times[2] - times[1]) > 0.03


async def test_a_turn_that_would_come_too_late_is_not_waited_for(start_fake_mesh: StartFakeMesh) -> None:
    fake_mesh = await start_fake_mesh(in_flight_limit=1)
    fake_mesh.detection.slow = 0.05
    load = asyncio.ensure_future(fake_mesh.decide_all([item(f"g{i}") for i in range(30)]))
    await asyncio.sleep(0.6)
    started = time.monotonic()
    (result,) = await fake_mesh.decide_all([item("r1", timeout=duration_pb2.Duration(nanos=400_000_000))])
    assert result.error.code == code_pb2.DEADLINE_EXCEEDED
    assert reason(result.error) == "TURN_TOO_LATE"
    assert time.monotonic() - started < 0.1
    load.cancel()


async def test_an_item_whose_deadline_passes_in_the_line_is_answered_then(start_fake_mesh: StartFakeMesh) -> None:
    fake_mesh = await start_fake_mesh(in_flight_limit=1)
    fake_mesh.detection.gate.clear()
    first = asyncio.ensure_future(fake_mesh.decide(item("r1")))
    await until(lambda: bool(fake_mesh.detection.calls))
    started = time.monotonic()
    (result,) = await fake_mesh.decide_all([item("r2", timeout=duration_pb2.Duration(nanos=200_000_000))])
    assert result.error.code == code_pb2.DEADLINE_EXCEEDED
    assert 0.15 < time.monotonic() - started < 0.3
    fake_mesh.detection.gate.set()
    await first
    assert order(fake_mesh) == ["r1"]


async def test_nobody_waits_for_ever_however_patient(start_fake_mesh: StartFakeMesh) -> None:
    fake_mesh = await start_fake_mesh(in_flight_limit=1, max_wait_seconds=0.1)
    fake_mesh.detection.gate.clear()
    first = asyncio.ensure_future(fake_mesh.decide(item("r1")))
    await until(lambda: bool(fake_mesh.detection.calls))
    (result,) = await fake_mesh.decide_all([item("r2")])
    assert result.error.code == code_pb2.RESOURCE_EXHAUSTED
    fake_mesh.detection.gate.set()
    await first


async def test_who_has_gone_is_not_worked_for(start_fake_mesh: StartFakeMesh) -> None:
    fake_mesh = await start_fake_mesh(in_flight_limit=1)
    fake_mesh.detection.gate.clear()
    first = asyncio.ensure_future(fake_mesh.decide(item("r1")))
    await until(lambda: bool(fake_mesh.detection.calls))
    gone = [fake_mesh.stub.Moderate(api.ModerateRequest(item=item(f"gone{i}")), metadata=caller()) for i in range(3)]
    gone_list = fake_mesh.stub.BatchModerate(
        api.BatchModerateRequest(items=[item(f"list{i}") for i in range(3)]), metadata=caller()
    )
    await until(lambda: REGISTRY.get_sample_value("items_waiting") == 6)
    for call in gone:
        call.cancel()
    gone_list.cancel()
    await asyncio.sleep(0.1)
    last = asyncio.ensure_future(fake_mesh.decide(item("r2")))
    await asyncio.sleep(0.05)
    fake_mesh.detection.gate.set()
    await asyncio.gather(first, last)
    assert order(fake_mesh) == ["r1", "r2"]
