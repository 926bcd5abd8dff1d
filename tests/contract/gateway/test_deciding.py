"""What the gateway answers when every part of the path is there."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap
from google.rpc import code_pb2
from moat.context.v1 import context_service_pb2
from moat.enforcement.v1 import enforcement_pb2
from moat.mesh.v1 import content_pb2, item_pb2
from moat.moderation.v1 import moderation_service_pb2 as api
from moat.routing.v1 import verdict_pb2

from gateway.sealing import Subject
from tests.contract.gateway.fake_mesh import caller, item, reason
from tests.contract.gateway.waiting import until

if TYPE_CHECKING:
    from tests.contract.gateway.fake_mesh import FakeMesh


async def test_a_clean_line_is_shown_as_it_was_typed(fake_mesh: FakeMesh) -> None:
    decision = await fake_mesh.decide(item("r1", "good game"))
    assert decision.outcome == verdict_pb2.OUTCOME_ALLOW
    assert decision.display_text == "good game"
    assert not decision.actions
    assert not decision.degraded
    assert not decision.replayed


async def test_what_is_answered_is_recorded_whole(fake_mesh: FakeMesh) -> None:
    asked = item("r1", "so rude", target_user_ids=["u2"], channel_id="room")
    decision = await fake_mesh.decide(asked)
    record = fake_mesh.audit.records[decision.decision_id]
    assert (record.tenant, record.environment, record.request_id) == ("demo", "production", "r1")
    assert (record.user_id, record.channel_id, list(record.target_user_ids)) == ("u1", "room", ["u2"])
    assert (record.surface, record.caller) == ("chat", "server-1")
    assert record.signals.language == "en"
    assert dict(record.features) == {"user.messages_1m": 1.0}
    assert record.verdict.policy == decision.policy
    assert [timing.hop for timing in record.timings] == ["detection", "context", "restrictions", "routing"]
    assert len(record.content_digest) == 32
    assert record.decide_time.ToNanoseconds() >= record.receive_time.ToNanoseconds()
    assert record.trace_id == decision.trace_id
    assert not record.spooled


async def test_the_offending_part_is_masked(fake_mesh: FakeMesh) -> None:
    decision = await fake_mesh.decide(item("r1", "you rude man"))
    assert decision.outcome == verdict_pb2.OUTCOME_MASK
    assert decision.display_text == "you **** man"
    assert not decision.actions, "masking happens in the answer; nobody has to carry it out"
    assert not fake_mesh.enforcement.applied


async def test_what_is_dropped_is_shown_to_nobody(fake_mesh: FakeMesh) -> None:
    decision = await fake_mesh.decide(item("r1", "buy spam"))
    assert decision.outcome == verdict_pb2.OUTCOME_DROP
    assert decision.display_text == ""


async def test_effects_are_applied_before_the_answer(fake_mesh: FakeMesh) -> None:
    decision = await fake_mesh.decide(item("r1", "a threat"))
    (action,) = decision.actions
    assert action.kind == enforcement_pb2.EFFECT_KIND_MUTE
    assert action.state == enforcement_pb2.ENFORCEMENT_STATE_APPLIED
    assert action.expire_time.seconds == decision.decide_time.seconds + 3600
    assert decision.notice == "calm down"
    assert fake_mesh.enforcement.applied.keys() == fake_mesh.audit.intents.keys() == {decision.decision_id}


async def test_effects_that_take_too_long_are_pending(fake_mesh: FakeMesh) -> None:
    fake_mesh.enforcement.cannot_apply = True
    decision = await fake_mesh.decide(item("r1", "a threat"))
    (action,) = decision.actions
    assert action.state == enforcement_pb2.ENFORCEMENT_STATE_PENDING
    assert action.expire_time.seconds == decision.decide_time.seconds + 3600
    assert decision.decision_id in fake_mesh.audit.intents


async def test_a_restriction_is_an_input_to_the_verdict(fake_mesh: FakeMesh) -> None:
    fake_mesh.enforcement.restrictions["u1"] = enforcement_pb2.Restriction(kind=enforcement_pb2.EFFECT_KIND_BAN)
    decision = await fake_mesh.decide(item("r1", "hello"))
    assert decision.outcome == verdict_pb2.OUTCOME_DROP
    assert len(fake_mesh.audit.records[decision.decision_id].restrictions) == 1


async def test_a_repeat_gets_the_first_decision(fake_mesh: FakeMesh) -> None:
    first = await fake_mesh.decide(item("r1", "so rude"))
    second = await fake_mesh.decide(item("r1", "so rude"))
    assert second.decision_id == first.decision_id
    assert second.replayed
    assert second.display_text == first.display_text == "so ****"
    assert len(fake_mesh.audit.records) == 1


async def test_a_repeat_of_an_enforced_decision_is_told_how_far_it_has_come(fake_mesh: FakeMesh) -> None:
    fake_mesh.enforcement.cannot_apply = True
    await fake_mesh.decide(item("r1", "a threat"))
    fake_mesh.enforcement.cannot_apply = False
    again = await fake_mesh.decide(item("r1", "a threat"))
    assert again.actions[0].state == enforcement_pb2.ENFORCEMENT_STATE_APPLIED
    assert fake_mesh.enforcement.applied.keys() == {again.decision_id}


@pytest.mark.parametrize("change", [{"text": "other"}, {"user_id": "u2"}, {"channel_id": "c2"}, {"surface": "post"}])
async def test_a_reused_request_id_is_refused(fake_mesh: FakeMesh, change: dict[str, str]) -> None:
    await fake_mesh.decide(item("r1", "hello"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await fake_mesh.decide(item("r1", **{"text": "hello", **change}))
    assert caught.value.code() is grpc.StatusCode.ALREADY_EXISTS
    assert reason(caught.value) == "REQUEST_ID_REUSED"


async def test_request_ids_of_two_tenants_do_not_meet(fake_mesh: FakeMesh) -> None:
    one = await fake_mesh.decide(item("r1", "hello"), "demo")
    other = await fake_mesh.decide(item("r1", "goodbye"), "greedy")
    assert one.decision_id != other.decision_id


async def test_the_same_request_in_flight_is_decided_once(fake_mesh: FakeMesh) -> None:
    fake_mesh.detection.gate.clear()
    asked = [asyncio.ensure_future(fake_mesh.decide(item("r1", "hello"))) for _ in range(5)]
    await until(lambda: bool(fake_mesh.detection.calls))
    await asyncio.sleep(0.05)
    fake_mesh.detection.gate.set()
    decisions = await asyncio.gather(*asked)
    assert len({decision.decision_id for decision in decisions}) == 1
    assert sum(fake_mesh.detection.calls) == 1


async def test_the_same_request_id_in_flight_with_other_content_is_refused(fake_mesh: FakeMesh) -> None:
    fake_mesh.detection.gate.clear()
    results = asyncio.ensure_future(fake_mesh.decide_all([item("r1", "hello"), item("r1", "goodbye")]))
    await until(lambda: bool(fake_mesh.detection.calls))
    fake_mesh.detection.gate.set()
    first, second = await results
    assert first.decision.decision_id
    assert second.error.code == code_pb2.ALREADY_EXISTS
    assert reason(second.error) == "REQUEST_ID_REUSED"


async def test_who_joined_a_hurried_request_is_decided_in_its_own_time(fake_mesh: FakeMesh) -> None:
    fake_mesh.routing.slow = 0.3
    hurried = item("r1", "hello")
    hurried.timeout.FromMilliseconds(100)
    one, other = await fake_mesh.decide_all([hurried, item("r1", "hello")])
    assert one.error.code in {code_pb2.OK, code_pb2.DEADLINE_EXCEEDED}
    assert other.decision.decision_id


async def test_a_list_is_answered_in_its_order_each_item_for_itself(fake_mesh: FakeMesh) -> None:
    results = await fake_mesh.decide_all(
        [item("r1", "hello"), item("r2", ""), item("r3", "so rude"), item("", "no id"), item("r5", "spam")]
    )
    assert [result.request_id for result in results] == ["r1", "r2", "r3", "", "r5"]
    assert [result.error.code for result in results] == [0, code_pb2.INVALID_ARGUMENT, 0, code_pb2.INVALID_ARGUMENT, 0]
    assert [result.decision.outcome for result in results] == [1, 0, 2, 0, 4]


async def test_items_that_arrive_together_travel_together(fake_mesh: FakeMesh) -> None:
    await fake_mesh.decide_all([item(f"r{i}") for i in range(50)])
    for peer in (fake_mesh.detection, fake_mesh.routing, fake_mesh.audit):
        assert max(peer.calls) > 10


async def test_content_is_sealed_under_its_subjects_key(fake_mesh: FakeMesh) -> None:
    decision = await fake_mesh.decide(item("r1", "between us"))
    record = fake_mesh.audit.records[decision.decision_id]
    assert b"between us" not in record.SerializeToString()
    sealed = record.sealed_content
    key = aes_key_unwrap(b"k" * 32, sealed.wrapped_key)
    data = Subject("demo", "production", "u1", decision.decision_id).associated_data()
    content = content_pb2.Content.FromString(AESGCM(key).decrypt(sealed.nonce, sealed.ciphertext, data))
    assert content.text.text == "between us"


async def test_content_that_must_not_be_stored_is_not(fake_mesh: FakeMesh) -> None:
    decision = await fake_mesh.decide(item("r1", "between us", do_not_store=True))
    record = fake_mesh.audit.records[decision.decision_id]
    assert not record.HasField("sealed_content")
    assert record.do_not_store


async def test_context_is_told_after_the_answer(fake_mesh: FakeMesh) -> None:
    decision = await fake_mesh.decide(item("r1", "so rude"))
    await until(lambda: len(fake_mesh.context.counted) == 1)
    (fact,) = fake_mesh.context.counted
    assert fact.item.context.decision_id == decision.decision_id
    assert fact.item.context.deadline_unix_nanos == 0
    assert fact.violation
    assert fact.item.content_digest == fake_mesh.context.read[0].content_digest


async def test_context_is_told_again_when_it_did_not_hear(fake_mesh: FakeMesh) -> None:
    fake_mesh.context.uncountable = 1
    await fake_mesh.decide(item("r1", "hello"))
    await until(lambda: len(fake_mesh.context.counted) == 1)


async def test_a_repeat_is_not_counted(fake_mesh: FakeMesh) -> None:
    await fake_mesh.decide(item("r1", "hello"))
    await until(lambda: len(fake_mesh.context.counted) == 1)
    await fake_mesh.decide(item("r1", "hello"))
    await asyncio.sleep(0.1)
    assert len(fake_mesh.context.counted) == 1


async def test_each_item_carries_its_own_context(fake_mesh: FakeMesh) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    await fake_mesh.decide_all(
        [
            item("r1", traceparent=f"00-{trace}-00f067aa0ba902b7-01", priority=item_pb2.PRIORITY_BULK),
            item("r2"),
        ]
    )
    contexts = {one.context.request_id: one.context for one in fake_mesh.detection.seen}
    assert contexts["r1"].traceparent.split("-")[1] == trace
    assert contexts["r2"].traceparent.split("-")[1] != trace
    assert contexts["r1"].priority == item_pb2.PRIORITY_BULK
    assert contexts["r2"].priority == item_pb2.PRIORITY_INTERACTIVE
    assert contexts["r1"].deadline_unix_nanos > 0


async def test_repeats_are_told_by_case_and_spacing_alone(fake_mesh: FakeMesh) -> None:
    await fake_mesh.decide_all([item("r1", "Buy  NOW"), item("r2", "buy now"), item("r3", "buy then")])
    digests = {asked.context.request_id: asked.content_digest for asked in fake_mesh.context.read}
    one, two, three = digests["r1"], digests["r2"], digests["r3"]
    assert one == two != three
    assert len(one) == 16


async def test_events_go_to_context(fake_mesh: FakeMesh) -> None:
    request = api.IngestEventsRequest(
        events=[
            context_service_pb2.Event(event_id="e1", type="join", user_id="u1"),
            context_service_pb2.Event(event_id="e2", type="teleport", user_id="u1"),
            context_service_pb2.Event(event_id="", type="join", user_id="u1"),
        ]
    )
    response = await fake_mesh.stub.IngestEvents(request, metadata=caller())
    assert [result.error.code for result in response.results] == [
        0,
        code_pb2.INVALID_ARGUMENT,
        code_pb2.INVALID_ARGUMENT,
    ]
    assert [result.event_id for result in response.results] == ["e1", "e2", ""]
    assert [one.context.tenant for one in fake_mesh.context.events] == ["demo", "demo"]
