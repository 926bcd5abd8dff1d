"""Bad fields are named one by one, and a bad item is not its neighbours' fault."""

from __future__ import annotations

import pytest
from moat.moderation.v1 import moderation_pb2, moderation_service_pb2

from services.runtime import validation
from services.runtime.errors import InvalidRequest


def item(text: str = "hello", request_id: str = "r1") -> moderation_pb2.ModerationItem:
    made = moderation_pb2.ModerationItem(request_id=request_id, user_id="u1")
    made.content.text.text = text
    return made


def test_a_good_message_passes() -> None:
    validation.check(moderation_service_pb2.ModerateRequest(item=item()))


def test_every_bad_field_is_named_with_its_limit() -> None:
    with pytest.raises(InvalidRequest) as caught:
        validation.check(moderation_service_pb2.ModerateRequest(item=item(text="x" * 10_001, request_id="")))
    by_field = {violation.field: violation.description for violation in caught.value.violations}
    assert set(by_field) == {"item.request_id", "item.content.text.text"}
    assert "10000" in by_field["item.content.text.text"]


def test_a_bad_item_is_its_own_error() -> None:
    request = moderation_service_pb2.BatchModerateRequest(items=[item(), item(text=""), item()])
    errors = validation.check_list(request, "items")
    assert list(errors) == [1]
    assert errors[1].violations[0].field == "content.text.text"


@pytest.mark.parametrize("count", [0, 257])
def test_a_list_outside_its_limits_is_refused_whole(count: int) -> None:
    request = moderation_service_pb2.BatchModerateRequest(items=[item()] * count)
    with pytest.raises(InvalidRequest, match="items"):
        validation.check_list(request, "items")
