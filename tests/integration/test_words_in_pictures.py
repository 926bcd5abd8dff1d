"""Words in pictures through the whole mesh: finder and reader on Triton, the text path, policy, record."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from moat.audit.v1 import decision_record_pb2
from moat_client import Decision, Moat
from PIL import Image

from services.runtime.topology import Topology
from tests.support.pictures import changed_a_little, drawing, encoded, with_words
from tools.launcher.control import Mesh

HATE = ("all immigrants are vermin", "and should be exterminated")


@pytest.fixture
async def moat(mesh: Mesh) -> AsyncIterator[Moat]:
    edge = Topology.load(mesh.home.topology).edge
    token = mesh.token(tenant="demo", roles=("game_server", "moderator"))
    async with Moat(f"localhost:{edge.port}", token=token, ca_file=edge.ca_file, timeout=20) as opened:
        yield opened


def someone() -> str:
    return f"user-{uuid.uuid4()}"


async def record_of(moat: Moat, decision: Decision) -> decision_record_pb2.DecisionRecord:
    return (await moat.get_decision(decision.decision_id)).decision


def how_read(record: decision_record_pb2.DecisionRecord) -> str:
    (how,) = [tier.reason for tier in record.signals.tiers if tier.name == "image_text"]
    return how


async def test_hate_in_a_picture_is_treated_as_if_it_had_been_typed(moat: Moat) -> None:
    typed = await moat.moderate(" ".join(HATE), user_id=someone())
    shown = await moat.moderate_image(encoded(with_words(*HATE)), user_id=someone())
    assert typed.outcome != "ALLOW"
    assert (shown.outcome, shown.category) == (typed.outcome, typed.category)
    record = await record_of(moat, shown)
    assert how_read(record) == "always"
    first, second = record.signals.carried.places
    assert first.box.bottom <= second.box.top + 0.02
    assert 0.0 < first.box.left < 0.1
    assert first.box.top == pytest.approx(24 / 480, abs=0.05)
    assert first.confidence > 0.8


async def test_a_picture_without_words_is_not_given_to_the_reader(moat: Moat) -> None:
    record = await record_of(moat, await moat.moderate_image(encoded(drawing(311)), user_id=someone()))
    assert how_read(record) == "no_text"
    assert not record.signals.HasField("carried")
    stages = {stage.name for timing in record.timings for stage in timing.timing.stages}
    assert "text_find" in stages
    assert "text_read" not in stages


async def test_the_same_bytes_are_not_read_again_and_their_likes_are(moat: Moat) -> None:
    benign = with_words("happy birthday my friend", seed=42)
    hateful = with_words(*HATE, seed=42)
    first = await moat.moderate_image(encoded(benign), user_id=someone())
    again = await moat.moderate_image(encoded(benign), user_id=someone())
    assert (first.outcome, how_read(await record_of(moat, again))) == ("ALLOW", "decided")
    like = await record_of(moat, await moat.moderate_image(changed_a_little(benign), user_id=someone()))
    assert how_read(like) == "always"
    other = await moat.moderate_image(encoded(hateful), user_id=someone())
    assert other.outcome != "ALLOW"


async def test_words_are_nowhere_in_the_open(mesh: Mesh, moat: Moat) -> None:
    word = "".join(chr(ord("a") + int(digit, 16)) for digit in uuid.uuid4().hex[:14])
    decision = await moat.moderate_image(encoded(with_words(word, seed=9, size=40)), user_id=someone())
    assert how_read(await record_of(moat, decision)) == "always"
    files: list[Path] = [path for path in mesh.home.folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert not [path for path in files if word.encode() in path.read_bytes()]


@pytest.mark.parametrize("size", [(1, 1), (3, 900), (900, 3), (9, 9)], ids=str)
async def test_a_picture_too_small_for_words_is_read_all_the_same(moat: Moat, size: tuple[int, int]) -> None:
    record = await record_of(
        moat, await moat.moderate_image(encoded(Image.new("RGB", size, "red"), "PNG"), user_id=someone())
    )
    assert how_read(record) == "no_text"
    assert "image_text" not in record.signals.degraded
