"""Digests tell repeats apart and give nothing away."""

from __future__ import annotations

import pytest
from moat.mesh.v1 import content_pb2
from moat.moderation.v1 import moderation_pb2

from gateway.digest import Digests, derive

DIGESTS = Digests(b"k" * 32)


def item(text: str = "hello", **more: object) -> moderation_pb2.ModerationItem:
    content = content_pb2.Content(text=content_pb2.TextContent(text=text))
    fields = {"request_id": "r1", "user_id": "u1", "channel_id": "c1", "target_user_ids": ["a", "b"], **more}
    return moderation_pb2.ModerationItem(content=content, **fields)  # type: ignore[arg-type]


def test_a_repeat_has_the_same_digest() -> None:
    first = DIGESTS.of_request(item(), "chat")
    assert DIGESTS.of_request(item(traceparent="00-x", do_not_store=True), "chat") == first
    assert len(first) == 32


@pytest.mark.parametrize(
    "other",
    [
        item("hullo"),
        item(user_id="u2"),
        item(channel_id="c2"),
        item(target_user_ids=["b", "a"]),
        item(user_id="u1c1", channel_id=""),
    ],
)
def test_other_content_has_another(other: moderation_pb2.ModerationItem) -> None:
    assert DIGESTS.of_request(other, "chat") != DIGESTS.of_request(item(), "chat")


def test_another_surface_is_another_request() -> None:
    assert DIGESTS.of_request(item(), "chat") != DIGESTS.of_request(item(), "post")


def test_without_the_secret_nobody_can_make_them() -> None:
    other = Digests(b"x" * 32)
    assert other.of_request(item(), "chat") != DIGESTS.of_request(item(), "chat")
    assert other.of_text("hello") != DIGESTS.of_text("hello")


def test_texts_that_differ_only_in_case_and_spacing_repeat_each_other() -> None:
    assert DIGESTS.of_text("Buy\n NOW ") == DIGESTS.of_text("buy now") != DIGESTS.of_text("buynow")
    assert len(DIGESTS.of_text("")) == 16


def test_each_purpose_has_its_own_secret() -> None:
    assert derive(b"k" * 32, "a") != derive(b"k" * 32, "b")
