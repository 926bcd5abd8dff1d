"""Pictures at the gateway: decided like lines, by lists of their own, and kept nowhere."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.rpc import code_pb2
from moat.mesh.v1 import content_pb2
from moat.moderation.v1 import moderation_pb2
from moat.routing.v1 import verdict_pb2

from services.runtime.errors import InvalidRequest, OverQuota
from tests.contract.gateway.fake_mesh import item, reason, status_of
from tests.contract.gateway.waiting import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.contract.gateway.fake_mesh import FakeMesh

    StartFakeMesh = Callable[..., Awaitable[FakeMesh]]

LARGEST = 4 * 1024 * 1024


def picture(
    request_id: str,
    data: bytes = b"secret pixels",
    media_type: str = "",
    **more: Any,  # noqa: ANN401 - as item() takes it
) -> moderation_pb2.ModerationItem:
    made = item(request_id, **more)
    made.content.CopyFrom(content_pb2.Content(image=content_pb2.ImageContent(data=data, media_type=media_type)))
    return made


async def refused(fake_mesh: FakeMesh, asked: moderation_pb2.ModerationItem) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await fake_mesh.decide(asked)
    return caught.value


async def test_a_picture_is_decided_and_there_is_no_text_to_show(fake_mesh: FakeMesh) -> None:
    decision = await fake_mesh.decide(picture("r1"))
    assert decision.outcome == verdict_pb2.OUTCOME_ALLOW
    assert decision.display_text == ""
    (scored,) = fake_mesh.detection.seen
    assert scored.content.image.data == b"secret pixels"


async def test_a_picture_can_be_dropped(fake_mesh: FakeMesh) -> None:
    assert (await fake_mesh.decide(picture("r1", b"spam"))).outcome == verdict_pb2.OUTCOME_DROP


async def test_the_record_has_hash_scores_and_matches_but_not_the_picture(fake_mesh: FakeMesh) -> None:
    decision = await fake_mesh.decide(picture("r1", b"secret" * 200_000))
    record = fake_mesh.audit.records[decision.decision_id]
    assert not record.HasField("sealed_content")
    assert record.signals.image.pdq_hash == bytes(range(32))
    assert [match.entry_id for match in record.signals.matches] == ["e1"]
    assert len(record.content_digest) == 32
    assert [timing.hop for timing in record.timings] == ["images", "context", "restrictions", "routing"]
    assert b"secretsecret" not in record.SerializeToString()
    assert len(record.SerializeToString()) < 2048


async def test_a_picture_is_in_no_spool_either(fake_mesh: FakeMesh) -> None:
    await fake_mesh.audit.stop()
    decision = await fake_mesh.decide(picture("r1", b"secret" * 1000))
    assert "audit:spooled" in decision.degraded
    files = [path for path in (fake_mesh.state / "gateway").iterdir() if path.is_file()]
    assert files
    assert not any(b"secretsecret" in path.read_bytes() for path in files)


async def test_the_digest_is_over_the_bytes_and_not_over_what_the_caller_calls_them(fake_mesh: FakeMesh) -> None:
    first = await fake_mesh.decide(picture("r1", media_type="image/png"))
    again = await fake_mesh.decide(picture("r1", media_type="image/jpeg"))
    assert again.replayed
    assert again.decision_id == first.decision_id
    for other in (picture("r1", b"other pixels"), item("r1", "secret pixels")):
        error = await refused(fake_mesh, other)
        assert (error.code(), reason(error)) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")


async def test_the_same_picture_again_is_a_repeat_for_context(fake_mesh: FakeMesh) -> None:
    await fake_mesh.decide(picture("r1"))
    await fake_mesh.decide(picture("r2"))
    await fake_mesh.decide(picture("r3", b"other pixels"))
    await fake_mesh.decide(item("r4", "secret pixels"))
    one, same, other, text = [subject.content_digest for subject in fake_mesh.context.read]
    assert one == same
    assert len({one, other, text}) == 3


async def test_the_largest_picture_is_taken(fake_mesh: FakeMesh) -> None:
    assert (await fake_mesh.decide(picture("r1", bytes(LARGEST)))).decision_id


@pytest.mark.parametrize("size", [0, LARGEST + 1, 5_000_000])
async def test_a_picture_of_another_size_is_refused_by_its_field(fake_mesh: FakeMesh, size: int) -> None:
    error = await refused(fake_mesh, picture("r1", bytes(size)))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "item.content.image.data" in status_of(error).message
    assert not fake_mesh.detection.calls


async def test_what_is_no_picture_is_the_callers_mistake_and_no_decision(fake_mesh: FakeMesh) -> None:
    fake_mesh.detection.error = InvalidRequest.field("content.image.data", "is damaged", reason="IMAGE_DAMAGED")
    error = await refused(fake_mesh, picture("r1"))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert reason(error) == "IMAGE_DAMAGED"
    assert not fake_mesh.audit.records


async def test_a_line_that_detection_will_not_have_is_still_decided(fake_mesh: FakeMesh) -> None:
    fake_mesh.detection.error = InvalidRequest.field("content.text", "is odd")
    decision = await fake_mesh.decide(item("r1"))
    assert decision.outcome == verdict_pb2.OUTCOME_HOLD


async def test_when_pictures_cannot_be_decoded_in_time_the_policy_says_what_happens(fake_mesh: FakeMesh) -> None:
    fake_mesh.detection.error = OverQuota("too many pictures wait to be decoded")
    decision = await fake_mesh.decide(picture("r1"))
    assert decision.outcome == verdict_pb2.OUTCOME_HOLD
    assert list(decision.degraded) == ["detection:hold"]


async def test_pictures_and_lines_never_share_a_list(fake_mesh: FakeMesh) -> None:
    fake_mesh.detection.gate.clear()
    pictures = asyncio.gather(*(fake_mesh.decide(picture(f"p{i}")) for i in range(6)))
    await until(lambda: bool(fake_mesh.detection.calls))
    lines = asyncio.gather(*(fake_mesh.decide(item(f"r{i}")) for i in range(20)))
    await until(lambda: len(fake_mesh.detection.seen) > 2)
    fake_mesh.detection.gate.set()
    await asyncio.gather(pictures, lines)
    sizes, seen = fake_mesh.detection.calls, iter(fake_mesh.detection.seen)
    lists = [[next(seen).content.WhichOneof("kind") for _ in range(size)] for size in sizes]
    assert all(len(set(kinds)) == 1 for kinds in lists)
    assert all(len(kinds) <= 2 for kinds in lists if kinds[0] == "image")


async def test_no_line_waits_for_a_picture(fake_mesh: FakeMesh) -> None:
    fake_mesh.detection.gate.clear()
    waiting = asyncio.ensure_future(fake_mesh.decide(picture("p1")))
    await until(lambda: bool(fake_mesh.detection.calls))
    line = asyncio.ensure_future(fake_mesh.decide(item("r1")))
    await until(lambda: len(fake_mesh.detection.calls) == 2)
    fake_mesh.detection.gate.set()
    await asyncio.gather(waiting, line)


async def test_a_tenant_may_fill_half_of_the_room_for_pictures(start_fake_mesh: StartFakeMesh) -> None:
    fake_mesh = await start_fake_mesh(files_max_bytes=8 * 1024 * 1024)
    fake_mesh.detection.gate.clear()
    taken = asyncio.ensure_future(fake_mesh.decide(picture("p1", bytes(LARGEST - 8))))
    await until(lambda: bool(fake_mesh.detection.calls))
    error = await refused(fake_mesh, picture("p2"))
    assert (error.code(), reason(error)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "FILES_WAITING")
    other = asyncio.ensure_future(fake_mesh.decide(picture("p1"), tenant="greedy"))
    line = asyncio.ensure_future(fake_mesh.decide(item("r1")))
    await until(lambda: len(fake_mesh.detection.seen) == 2)
    fake_mesh.detection.gate.set()
    await asyncio.gather(taken, other, line)
    assert (await fake_mesh.decide(picture("p3"))).decision_id, "what is answered makes room"


async def test_a_bad_picture_costs_its_neighbours_nothing(fake_mesh: FakeMesh) -> None:
    results = await fake_mesh.decide_all([picture("p1", b""), picture("p2"), item("r1")])
    assert [result.error.code for result in results] == [code_pb2.INVALID_ARGUMENT, code_pb2.OK, code_pb2.OK]


async def test_nothing_of_a_picture_is_left_in_a_trace(start_fake_mesh: StartFakeMesh) -> None:
    fake_mesh = await start_fake_mesh(keep_share=1.0)
    await fake_mesh.decide(picture("r1", b"secret" * 1000))
    await until(lambda: any(span.name == "moderate" for _, span in fake_mesh.collector.spans))
    assert not any(b"secret" in span.SerializeToString() for _, span in fake_mesh.collector.spans)
    assert ("detection", "ScoreContents") in {(service, span.name) for service, span in fake_mesh.collector.spans}
