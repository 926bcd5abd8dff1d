"""Every bad input has its defined answer, and none costs its neighbours anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf import duration_pb2
from google.rpc import error_details_pb2
from moat.context.v1 import context_service_pb2
from moat.mesh.v1 import content_pb2
from moat.moderation.v1 import moderation_pb2
from moat.moderation.v1 import moderation_service_pb2 as api
from moat.routing.v1 import verdict_pb2

from tests.contract.gateway.fake_mesh import caller, item, reason, status_of

if TYPE_CHECKING:
    from tests.contract.gateway.fake_mesh import FakeMesh

SERVICE = "/moat.moderation.v1.ModerationService"


def saying(content: content_pb2.Content | None) -> moderation_pb2.ModerationItem:
    return moderation_pb2.ModerationItem(request_id="r1", user_id="u1", content=content)


async def refused(fake_mesh: FakeMesh, asked: moderation_pb2.ModerationItem, **who: Any) -> grpc.aio.AioRpcError:  # noqa: ANN401 - as caller() takes it
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await fake_mesh.stub.Moderate(api.ModerateRequest(item=asked), metadata=caller(**who))
    return caught.value


def violations(error: grpc.aio.AioRpcError) -> list[str]:
    bad = error_details_pb2.BadRequest()
    assert any(detail.Unpack(bad) for detail in status_of(error).details)
    return [violation.field for violation in bad.field_violations]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        (item("r1", ""), "item.content.text.text"),
        (item("r1", "x" * 1_048_576), "item.content.text.text"),
        (item("", "hello"), "item.request_id"),
        (item("r" * 129, "hello"), "item.request_id"),
        (item("r1", "hello", user_id=""), "item.user_id"),
        (item("r1", "hello", target_user_ids=["u"] * 33), "item.target_user_ids"),
        (item("r1", "hello", priority=7), "item.priority"),
        (moderation_pb2.ModerationItem(request_id="r1", user_id="u1"), "item.content"),
        (
            moderation_pb2.ModerationItem(request_id="r1", user_id="u1", content=content_pb2.Content()),
            "item.content.kind",
        ),
    ],
    ids=["empty", "1 MB", "no id", "long id", "no author", "many targets", "priority", "no content", "no kind"],
)
async def test_a_bad_field_is_named(fake_mesh: FakeMesh, asked: moderation_pb2.ModerationItem, field: str) -> None:
    error = await refused(fake_mesh, asked)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert violations(error) == [field]
    assert not fake_mesh.detection.calls


async def test_control_characters_are_content_like_any_other(fake_mesh: FakeMesh) -> None:
    decision = await fake_mesh.decide(item("r1", "hel\x00lo\x1b[31m\u202e\ufeff"))
    assert decision.outcome == verdict_pb2.OUTCOME_ALLOW
    assert decision.display_text == "hel\x00lo\x1b[31m\u202e\ufeff"


@pytest.mark.parametrize("text", [b"\xed\xa0\x80 lone surrogate", b"\xff\xfe not UTF-8"])
async def test_text_that_is_not_utf8_is_the_callers_mistake(fake_mesh: FakeMesh, text: bytes) -> None:
    good = api.ModerateRequest(item=item("r1", "?" * len(text))).SerializeToString()
    call = fake_mesh.channel.unary_unary(f"{SERVICE}/Moderate", None, None)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(good.replace(b"?" * len(text), text), metadata=caller())
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert reason(caught.value) == "MALFORMED_MESSAGE"


@pytest.mark.parametrize(
    ("tenant", "environment"), [("nobody", "production"), ("demo", "staging"), ("demo", "nowhere")]
)
async def test_an_unknown_tenant_or_environment_is_refused(fake_mesh: FakeMesh, tenant: str, environment: str) -> None:
    error = await refused(fake_mesh, item("r1"), tenant=tenant, environment=environment)
    assert error.code() is grpc.StatusCode.PERMISSION_DENIED
    assert reason(error) == "TENANT_UNKNOWN"


async def test_a_role_without_the_permission_is_refused(fake_mesh: FakeMesh) -> None:
    error = await refused(fake_mesh, item("r1"), roles="auditor")
    assert error.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_a_token_that_lacks_claims_is_refused(fake_mesh: FakeMesh) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await fake_mesh.stub.Moderate(api.ModerateRequest(item=item("r1")), metadata=(("x-moat-tenant", "demo"),))
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert reason(caught.value) == "TOKEN_INCOMPLETE"


async def test_nobody_but_the_edge_may_speak_for_a_tenant(fake_mesh: FakeMesh) -> None:
    channel = fake_mesh.open_channel("routing")
    call = channel.unary_unary(f"{SERVICE}/Moderate", None, None)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(api.ModerateRequest(item=item("r1")).SerializeToString(), metadata=caller())
    await channel.close(None)
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert reason(caught.value) == "CALLER_NOT_LISTED"


@pytest.mark.parametrize("seconds", [0, -3, -100_000_000])
async def test_a_deadline_already_past_costs_no_work(fake_mesh: FakeMesh, seconds: int) -> None:
    error = await refused(fake_mesh, item("r1", timeout=duration_pb2.Duration(seconds=seconds)))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert reason(error) == "DEADLINE_PASSED"
    assert not fake_mesh.detection.calls


async def test_a_call_whose_deadline_passes_ends_in_time(fake_mesh: FakeMesh) -> None:
    fake_mesh.routing.slow = 2
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await fake_mesh.stub.Moderate(api.ModerateRequest(item=item("r1")), metadata=caller(), timeout=0.000001)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert not fake_mesh.audit.records


@pytest.mark.parametrize("count", [0, 257])
async def test_a_list_outside_its_limits_is_refused_whole(fake_mesh: FakeMesh, count: int) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await fake_mesh.decide_all([item(f"r{i}") for i in range(count)])
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert violations(caught.value) == ["items"]


async def test_a_list_of_events_over_its_limit_is_refused_whole(fake_mesh: FakeMesh) -> None:
    event = context_service_pb2.Event(event_id="e", type="join", user_id="u1")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await fake_mesh.stub.IngestEvents(api.IngestEventsRequest(events=[event] * 257), metadata=caller())
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_broken_traceparent_is_as_good_as_none(fake_mesh: FakeMesh) -> None:
    decision = await fake_mesh.decide(item("r1", traceparent="00-nonsense"))
    assert decision.trace_id == decision.decision_id.replace("-", "")
