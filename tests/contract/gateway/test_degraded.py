"""What the gateway answers when a part of the path is slow, wrong or gone: named, counted, and in time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import grpc
import pytest
from google.protobuf import duration_pb2
from moat.enforcement.v1 import enforcement_pb2
from moat.moderation.v1 import moderation_service_pb2 as api
from moat.routing.v1 import verdict_pb2
from prometheus_client import REGISTRY

from services.runtime.errors import Internal, OverQuota
from tests.contract.gateway.fake_mesh import caller, item

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.gateway.fake_mesh import FakeMesh
    from tests.contract.gateway.peers import Peer

HALF_A_SECOND = duration_pb2.Duration(nanos=500_000_000)
PARTS: dict[str, Callable[[FakeMesh], Peer]] = {
    "detection": lambda mesh: mesh.detection,
    "context": lambda mesh: mesh.context,
    "restrictions": lambda mesh: mesh.enforcement,
}
NAMES = {"detection": "detection:hold", "context": "context:missing", "restrictions": "restrictions:missing"}


def counted(part: str, why: str) -> float:
    return REGISTRY.get_sample_value("degradations_total", {"part": part, "reason": why}) or 0.0


@pytest.mark.parametrize("part", PARTS)
async def test_a_part_that_hangs_is_named_and_the_answer_comes_in_time(fake_mesh: FakeMesh, part: str) -> None:
    PARTS[part](fake_mesh).gate.clear()
    before, started = counted(part, "out_of_time"), time.monotonic()
    decision = await fake_mesh.decide(item("r1", "hello", timeout=HALF_A_SECOND))
    assert time.monotonic() - started < 0.5
    assert list(decision.degraded) == [NAMES[part]]
    assert list(fake_mesh.audit.records[decision.decision_id].missing) == [part]
    assert list(fake_mesh.audit.records[decision.decision_id].degraded) == [NAMES[part]]
    assert counted(part, "out_of_time") == before + 1


@pytest.mark.parametrize("part", PARTS)
async def test_a_part_that_is_gone_costs_no_time(fake_mesh: FakeMesh, part: str) -> None:
    await fake_mesh.decide(item("r0", "hello"))
    await PARTS[part](fake_mesh).stop()
    before, started = counted(part, "unavailable"), time.monotonic()
    decision = await fake_mesh.decide(item("r1", "hello"))
    assert time.monotonic() - started < 1
    assert list(decision.degraded) == [NAMES[part]]
    assert counted(part, "unavailable") == before + 1


@pytest.mark.parametrize(("error", "why"), [(Internal(), "failed"), (OverQuota("busy"), "over_quota")])
async def test_a_part_that_answers_with_an_error_is_missing(fake_mesh: FakeMesh, error: Internal, why: str) -> None:
    fake_mesh.detection.error = error
    before = counted("detection", why)
    decision = await fake_mesh.decide(item("r1", "hello"))
    assert decision.outcome == verdict_pb2.OUTCOME_HOLD
    assert list(decision.degraded) == ["detection:hold"]
    assert not fake_mesh.audit.records[decision.decision_id].HasField("signals")
    assert counted("detection", why) == before + 1


async def test_a_part_of_detection_that_is_missing_is_named(fake_mesh: FakeMesh) -> None:
    fake_mesh.detection.degraded = ["deep_tier"]
    decision = await fake_mesh.decide(item("r1", "hello"))
    assert list(decision.degraded) == ["deep_tier:missing"]


async def test_a_part_that_is_back_is_used_again(fake_mesh: FakeMesh) -> None:
    await fake_mesh.detection.stop()
    assert (await fake_mesh.decide(item("r1", "hello"))).degraded
    await fake_mesh.detection.start_again()
    for attempt in range(200):
        if not (await fake_mesh.decide(item(f"again {attempt}", "hello"))).degraded:
            return
    pytest.fail("detection is up and still not used")


@pytest.mark.parametrize(
    ("tenant", "outcome", "name"),
    [
        ("demo", verdict_pb2.OUTCOME_HOLD, "routing:hold"),
        ("greedy", verdict_pb2.OUTCOME_DROP, "routing:block"),
        ("open", verdict_pb2.OUTCOME_ALLOW, "routing:allow"),
    ],
)
async def test_without_a_policy_the_tenants_choice_holds(
    fake_mesh: FakeMesh, tenant: str, outcome: verdict_pb2.Outcome.ValueType, name: str
) -> None:
    fake_mesh.routing.gate.clear()
    decision = await fake_mesh.decide(item("r1", "hello", timeout=HALF_A_SECOND), tenant)
    assert decision.outcome == outcome
    assert list(decision.degraded) == [name]
    record = fake_mesh.audit.records[decision.decision_id]
    assert record.verdict.outcome == outcome
    assert record.verdict.policy.content_hash == ""


async def test_who_may_not_post_may_not_post_without_a_policy_either(fake_mesh: FakeMesh) -> None:
    fake_mesh.enforcement.restrictions["u1"] = enforcement_pb2.Restriction(kind=enforcement_pb2.EFFECT_KIND_MUTE)
    await fake_mesh.routing.stop()
    decision = await fake_mesh.decide(item("r1", "hello"), "open")
    assert decision.outcome == verdict_pb2.OUTCOME_DROP


async def test_everything_but_the_log_may_be_gone(fake_mesh: FakeMesh) -> None:
    for peer in (fake_mesh.detection, fake_mesh.context, fake_mesh.enforcement, fake_mesh.routing):
        await peer.stop()
    decision = await fake_mesh.decide(item("r1", "hello"))
    assert decision.outcome == verdict_pb2.OUTCOME_HOLD
    assert list(decision.degraded) == [
        "routing:hold",
        "detection:missing",
        "context:missing",
        "restrictions:missing",
    ]


async def test_a_slow_item_holds_up_nobody_with_less_time(fake_mesh: FakeMesh) -> None:
    """Both are in the same list to detection, whose call lasts as long as the patient one."""
    fake_mesh.detection.gate.clear()
    started = time.monotonic()
    call = fake_mesh.stub.StreamModerate(None, metadata=caller())
    await call.write(
        api.StreamModerateRequest(
            items=[
                item("patient", timeout=duration_pb2.Duration(seconds=4)),
                item("hurried", timeout=duration_pb2.Duration(nanos=200_000_000)),
            ]
        )
    )
    response = await call.read()
    assert isinstance(response, api.StreamModerateResponse)
    assert [result.request_id for result in response.results] == ["hurried"]
    assert time.monotonic() - started < 0.25
    fake_mesh.detection.gate.set()
    call.cancel()


async def test_a_call_with_little_time_is_answered_in_it(fake_mesh: FakeMesh) -> None:
    fake_mesh.detection.gate.clear()
    request = api.ModerateRequest(item=item("r1"))
    response = await fake_mesh.stub.Moderate(request, metadata=caller(), timeout=0.3)
    assert list(response.decision.degraded) == ["detection:hold"]


async def test_no_answer_comes_after_the_deadline(fake_mesh: FakeMesh) -> None:
    fake_mesh.audit.gate.clear()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await fake_mesh.stub.Moderate(api.ModerateRequest(item=item("r1")), metadata=caller(), timeout=0.002)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
