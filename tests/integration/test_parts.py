"""Several things at once through the whole mesh: one decision that says which part caused it, and one record."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest
from moat_client import Image, Moat, MoatError
from moat_client.content import Thing

from services.runtime.topology import Topology
from tests.support.patience import whole
from tests.support.pictures import drawing, encoded
from tools.launcher.control import Mesh

INSULT = "you stupid worthless idiot"


@pytest.fixture
async def moat(mesh: Mesh) -> AsyncIterator[Moat]:
    edge = Topology.load(mesh.home.topology).edge
    token = mesh.token(tenant="demo", roles=("game_server", "moderator"))
    async with Moat(f"localhost:{edge.port}", token=token, ca_file=edge.ca_file, timeout=20) as opened:
        yield opened


def someone() -> str:
    return f"user-{uuid.uuid4()}"


async def test_a_message_and_its_picture_are_one_decision(moat: Moat) -> None:
    things: list[Thing] = ["my new drawing", Image(encoded(drawing(3)))]
    decision = await whole(lambda: moat.moderate_parts(things, user_id=someone()))
    assert (decision.outcome, decision.degraded) == ("ALLOW", ())
    assert [part.display_text for part in decision.parts] == ["my new drawing", ""]
    assert "hate" in decision.parts[0].scores
    assert "sexual" in decision.parts[1].scores


async def test_the_record_says_which_part_the_rules_fired_for(moat: Moat) -> None:
    things: list[Thing] = [INSULT, Image(encoded(drawing(4))), "see you tomorrow"]
    decision = await whole(lambda: moat.moderate_parts(things, user_id=someone()))
    assert [part.may_be_shown for part in decision.parts][1:] == [True, True]
    assert decision.parts[0].outcome in ("MASK", "DROP")
    assert {finding.part for finding in decision.findings} == {0}
    found = await moat.get_decision(decision.decision_id, include_content=True)
    record = found.decision
    assert [part.kind for part in record.parts] == ["text", "image", "text"]
    assert {tuple(rule.parts) for rule in record.verdict.rules} == {(0,)}
    assert [part.text.text for part in found.content.parts.parts] == [INSULT, "", "see you tomorrow"]
    assert not found.content.parts.parts[1].image.data


async def test_a_part_that_is_no_picture_is_named_by_its_place(moat: Moat) -> None:
    with pytest.raises(MoatError) as caught:
        await moat.moderate_parts(["hello", Image(b"no picture at all")], user_id=someone())
    assert caught.value.reason == "IMAGE_FORMAT"
    assert list(caught.value.fields) == ["content.parts.parts[1].image.data"]
