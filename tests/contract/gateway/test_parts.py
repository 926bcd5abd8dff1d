"""Several things at once: one decision, one record, and every part spoken of by its position."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap
from moat.detection.v1 import signals_pb2
from moat.mesh.v1 import content_pb2
from moat.routing.v1 import verdict_pb2

from services.runtime.errors import DependencyDown, InvalidRequest
from tests.contract.gateway.fake_mesh import item, reason, status_of
from tests.contract.gateway.test_images import refused

if TYPE_CHECKING:
    from moat.moderation.v1 import moderation_pb2

    from tests.contract.gateway.fake_mesh import FakeMesh

ALLOW, MASK, HOLD, DROP = (
    verdict_pb2.OUTCOME_ALLOW,
    verdict_pb2.OUTCOME_MASK,
    verdict_pb2.OUTCOME_HOLD,
    verdict_pb2.OUTCOME_DROP,
)


def text(words: str) -> content_pb2.Part:
    return content_pb2.Part(text=content_pb2.TextContent(text=words))


def image(data: bytes = b"pixels", media_type: str = "") -> content_pb2.Part:
    return content_pb2.Part(image=content_pb2.ImageContent(data=data, media_type=media_type))


def clip(data: bytes = b"sound", media_type: str = "") -> content_pb2.Part:
    return content_pb2.Part(audio=content_pb2.AudioContent(data=data, media_type=media_type))


def several(request_id: str, *parts: content_pb2.Part, do_not_store: bool = False) -> moderation_pb2.ModerationItem:
    made = item(request_id, do_not_store=do_not_store)
    made.content.CopyFrom(content_pb2.Content(parts=content_pb2.PartsContent(parts=parts)))
    return made


async def test_each_part_is_scored_by_its_kind_and_decided_at_once(fake_mesh: FakeMesh) -> None:
    decision = await fake_mesh.decide(several("r1", text("hello"), image(), clip()))
    assert sorted(one.content.WhichOneof("kind") or "" for one in fake_mesh.detection.seen) == [
        "audio",
        "image",
        "text",
    ]
    assert (len(fake_mesh.routing.asked), len(fake_mesh.context.read)) == (1, 1)
    assert [part.kind for part in fake_mesh.routing.asked[0].parts] == ["text", "image", "audio"]
    assert not fake_mesh.routing.asked[0].HasField("signals")
    assert decision.outcome == ALLOW
    assert [part.display_text for part in decision.parts] == ["hello", "", ""]


async def test_the_answer_says_which_part_caused_what(fake_mesh: FakeMesh) -> None:
    decision = await fake_mesh.decide(several("r1", text("fine"), image(b"spam"), text("rude words")))
    assert decision.outcome == DROP
    assert [part.outcome for part in decision.parts] == [ALLOW, DROP, MASK]
    assert decision.parts[2].display_text.startswith("****")
    assert {finding.part for finding in decision.findings} == {1}


async def test_words_in_a_picture_count_and_say_where(fake_mesh: FakeMesh) -> None:
    decision = await fake_mesh.decide(several("r1", text("look"), image(b"says:pure spam")))
    assert [part.outcome for part in decision.parts] == [ALLOW, DROP]
    assert {(finding.part, finding.WhichOneof("where")) for finding in decision.findings} >= {(1, "box")}


async def test_the_record_speaks_of_parts_and_keeps_words_sealed(fake_mesh: FakeMesh) -> None:
    asked = several(
        "r1", text("secret line"), image(b"secretpixels says:secret words", "image/png"), clip(b"secretsound")
    )
    decision = await fake_mesh.decide(asked)
    record = fake_mesh.audit.records[decision.decision_id]
    assert [part.kind for part in record.parts] == ["text", "image", "audio"]
    assert b"secret" not in record.SerializeToString()
    cipher = AESGCM(aes_key_unwrap(b"k" * 32, record.sealed_content.wrapped_key))
    names = ["demo", "production", decision.decision_id]
    sealed, words = record.sealed_content, record.sealed_words
    content = content_pb2.Content.FromString(cipher.decrypt(sealed.nonce, sealed.ciphertext, "\0".join(names).encode()))
    assert content.parts.parts[0].text.text == "secret line"
    assert content.parts.parts[1].image == content_pb2.ImageContent(media_type="image/png")
    opened = cipher.decrypt(words.nonce, words.ciphertext, "\0".join([*names, "words"]).encode())
    assert signals_pb2.FoundWordsList.FromString(opened).words == [signals_pb2.FoundWords(part=1, text="secret words")]


async def test_do_not_store_keeps_neither_content_nor_words(fake_mesh: FakeMesh) -> None:
    decision = await fake_mesh.decide(several("r1", text("line"), image(b"says:words"), do_not_store=True))
    record = fake_mesh.audit.records[decision.decision_id]
    assert not record.HasField("sealed_content")
    assert not record.HasField("sealed_words")


async def test_a_repeat_gets_the_same_decision_and_other_parts_are_another_request(fake_mesh: FakeMesh) -> None:
    first = await fake_mesh.decide(several("r1", text("rude"), image()))
    again = await fake_mesh.decide(several("r1", text("rude"), image(media_type="image/png")))
    assert again.replayed
    assert (again.decision_id, list(again.parts)) == (first.decision_id, list(first.parts))
    for other in (several("r1", image(), text("rude")), several("r1", text("rude")), item("r1", "rude")):
        error = await refused(fake_mesh, other)
        assert (error.code(), reason(error)) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")


async def test_the_same_parts_again_are_a_repeat_for_context(fake_mesh: FakeMesh) -> None:
    for number, asked in enumerate([(text("a"), image()), (text("a"), image()), (image(), text("a")), (text("a"),)]):
        await fake_mesh.decide(several(f"r{number}", *asked))
    await fake_mesh.decide(item("r9", "a"))
    one, same, turned, alone, plain = [subject.content_digest for subject in fake_mesh.context.read]
    assert one == same != turned
    assert alone == plain, "a line in a list of one is the same line"


async def test_a_part_about_which_detection_is_silent_is_missing_and_the_others_are_not(fake_mesh: FakeMesh) -> None:
    fake_mesh.detection.error, fake_mesh.detection.fails_for = DependencyDown("away"), "image"
    await fake_mesh.decide(several("r1", text("hello"), image()))
    line, picture = fake_mesh.routing.asked[0].parts
    assert line.HasField("signals")
    assert not picture.HasField("signals")
    assert list(fake_mesh.routing.asked[0].missing) == ["detection"]


async def test_a_part_that_is_no_picture_is_refused_by_its_place(fake_mesh: FakeMesh) -> None:
    fake_mesh.detection.error = InvalidRequest.field("content.image.data", "is damaged", reason="IMAGE_DAMAGED")
    fake_mesh.detection.fails_for = "image"
    error = await refused(fake_mesh, several("r1", text("hello"), image()))
    assert (error.code(), reason(error)) == (grpc.StatusCode.INVALID_ARGUMENT, "IMAGE_DAMAGED")
    assert "content.parts.parts[1].image.data" in status_of(error).message
    assert not fake_mesh.audit.records


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ((), "content.parts.parts"),
        ((text("x"),) * 9, "content.parts.parts"),
        ((text("x"), content_pb2.Part()), "content.parts.parts[1]"),
        ((text("x" * 6000), text("y" * 4001)), "content.parts"),
        ((text("x"), image(b"")), "content.parts.parts[1].image.data"),
    ],
)
async def test_parts_that_cannot_be_are_refused_by_their_field(
    fake_mesh: FakeMesh, parts: tuple[content_pb2.Part, ...], field: str
) -> None:
    error = await refused(fake_mesh, several("r1", *parts))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert field in status_of(error).message
    assert not fake_mesh.detection.calls


async def test_without_a_policy_every_part_meets_what_the_tenant_chose(fake_mesh: FakeMesh) -> None:
    fake_mesh.routing.error = DependencyDown("away")
    decision = await fake_mesh.decide(several("r1", text("hello"), image()))
    assert [decision.outcome, *(part.outcome for part in decision.parts)] == [HOLD, HOLD, HOLD]


async def test_a_clip_alone_is_decided_like_a_picture(fake_mesh: FakeMesh) -> None:
    asked = item("r1")
    asked.content.audio.data = b"says:a threat"
    decision = await fake_mesh.decide(asked)
    assert decision.outcome == DROP
    assert not decision.parts
    record = fake_mesh.audit.records[decision.decision_id]
    assert record.signals.HasField("audio")
    assert record.HasField("sealed_words")
    assert not record.HasField("sealed_content")
    assert [timing.hop for timing in record.timings if timing.hop == "sounds"] == ["sounds"]
