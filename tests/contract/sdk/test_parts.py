"""Clips, and several things at once, as a program asks about them."""

from __future__ import annotations

import pytest
from moat.detection.v1 import signals_pb2
from moat.moderation.v1 import moderation_pb2
from moat.routing.v1 import verdict_pb2
from moat_client import Audio, Image, MoatError
from moat_client.content import Thing
from moat_client.types import decision_of

from tests.contract.sdk.conftest import OpenClient
from tests.contract.sdk.fake_edge import FakeEdge


async def test_things_that_are_shown_together_are_one_content_in_their_order(
    edge: FakeEdge, open_client: OpenClient
) -> None:
    await open_client().moderate_parts(["look", Image(b"pixels"), Audio(b"sound")], user_id="ann", channel_id="lobby")
    (item,) = edge.items
    assert [part.WhichOneof("kind") for part in item.content.parts.parts] == ["text", "image", "audio"]
    assert item.content.parts.parts[2].audio.media_type == "audio/wav"
    assert item.channel_id == "lobby"


async def test_a_clip_says_how_its_bytes_are_to_be_read(edge: FakeEdge, open_client: OpenClient) -> None:
    await open_client().moderate_audio(b"\0\0", media_type="audio/pcm;rate=16000", user_id="ann")
    assert edge.items[0].content.audio.media_type == "audio/pcm;rate=16000"


@pytest.mark.parametrize(
    ("things", "field"),
    [
        ([], "content.parts.parts"),
        (["x"] * 9, "content.parts.parts"),
        (["x", ""], "content.parts.parts[1].text.text"),
        ([Image(b"")], "content.parts.parts[0].image.data"),
        (["x", Audio(bytes(3 * 1024 * 1024 + 1))], "content.parts.parts[1].audio.data"),
        (["\ud800"], "content.parts.parts[0].text.text"),
    ],
)
async def test_what_the_mesh_would_refuse_is_named_without_asking(
    edge: FakeEdge, open_client: OpenClient, things: list[Thing], field: str
) -> None:
    with pytest.raises(MoatError) as caught:
        await open_client().moderate_parts(things, user_id="ann")
    assert list(caught.value.fields) == [field]
    assert not edge.tokens


def test_an_answer_says_what_happens_to_each_part_and_where_it_was_found() -> None:
    message = moderation_pb2.Decision(outcome=verdict_pb2.OUTCOME_DROP)
    message.parts.add(outcome=verdict_pb2.OUTCOME_ALLOW, display_text="look")
    message.parts.add(outcome=verdict_pb2.OUTCOME_DROP, category="hate", severity=3)
    message.findings.add(
        part=1, category="hate", source="terms", box=signals_pb2.Box(left=0.25, right=0.5, bottom=0.125)
    )
    message.findings.add(part=1, category="hate", interval=signals_pb2.Interval(start_millis=1500, end_millis=2000))
    message.findings.add(category="hate").text.end = 4
    decision = decision_of(message)
    assert [(part.outcome, part.may_be_shown) for part in decision.parts] == [("ALLOW", True), ("DROP", False)]
    box, interval, text = decision.findings
    assert (box.box, box.interval, box.text) == ((0.25, 0.0, 0.5, 0.125), None, None)
    assert (interval.interval, text.text) == ((1.5, 2.0), (0, 4))
