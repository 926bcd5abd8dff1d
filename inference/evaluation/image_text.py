"""`python -m inference.evaluation.image_text`: how many words are read in pictures, and in how many pictures without words some
are. Sentences written here, over grounds made here, in the letters that come with Pillow. Asks a Triton of its own, as detection
does, and prints."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from random import Random

from PIL import Image

from inference.evaluation.sentences import SENTENCES
from inference.rendering.grounds import ground
from inference.rendering.lettering import Style, write
from services.detection.images.decode import decode
from services.detection.images.words.areas import areas_of
from services.detection.images.words.models import Look, TextModels
from services.runtime.topology import Topology
from tools.launcher.control import Mesh
from tools.launcher.home import Home

_SIZE = (640, 480)
_PLAIN = Style(24)
_CASES: dict[str, Sequence[Style]] = {
    **{f"{points} points": [replace(_PLAIN, size=points)] for points in (10, 12, 14, 16, 20, 28, 40, 72)},
    "turned by 5 degrees": [replace(_PLAIN, angle=angle) for angle in (-5, 5)],
    "turned by 20 degrees": [replace(_PLAIN, angle=angle) for angle in (-20, 20)],
    "upwards or downwards": [replace(_PLAIN, angle=angle) for angle in (-90, 90)],
    "upside down": [replace(_PLAIN, angle=180)],
    "less contrast": [replace(_PLAIN, contrast=0.6)],
    "little contrast": [replace(_PLAIN, contrast=0.35)],
    "outlined": [replace(_PLAIN, outlined=True)],
    "in a box": [replace(_PLAIN, boxed=True)],
}
_START_SECONDS = 60.0


@dataclass(slots=True)
class Tally:
    """Of one case."""

    pictures: int = 0
    searched: int = 0
    """Pictures that the finder gave to the reader."""
    words: int = 0
    read: int = 0
    others: int = 0
    """Words read that nobody wrote."""


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="inference.evaluation.image_text", description=__doc__)
    parser.add_argument("--pictures", type=int, default=60, help="of each case")
    parser.add_argument("--without", type=int, default=300, help="pictures without words")
    arguments = parser.parse_args()
    with _triton() as address:
        asyncio.run(_measure(address, arguments.pictures, arguments.without))
    return 0


@contextmanager
def _triton() -> Iterator[str]:
    folder = Path(tempfile.mkdtemp(prefix="moat-evaluation-"))
    mesh = Mesh(Home.under(folder))
    try:
        mesh.wait_until_up(mesh.start(only=("triton",), outlive_us=False), seconds=_START_SECONDS)
        server = Topology.load(mesh.home.topology).triton
        yield f"{server.host}:{server.grpc}"
    finally:
        mesh.stop()
        shutil.rmtree(folder, ignore_errors=True)


async def _measure(address: str, pictures: int, without: int) -> None:
    models = TextModels(address, finder_queue=1, reader_queue=1, seconds=30.0)
    try:
        for name, styles in _CASES.items():
            tally = Tally()
            for number in range(pictures):
                random = Random(f"{name} {number}")  # noqa: S311 - the same pictures every time
                await _count(tally, models, *_picture(random, random.choice(styles)))
            _say(
                name,
                f"{_share(tally.read, tally.words)} of words read, {_share(tally.searched, pictures)} of pictures found",
            )
        tally = Tally()
        for number in range(without):
            random = Random(f"without {number}")  # noqa: S311 - likewise
            await _count(tally, models, _encoded(ground(random, _SIZE)), "")
        _say(
            "without words", f"{_share(tally.searched, without)} given to the reader, {tally.others} words in {without}"
        )
    finally:
        await models.close()


async def _count(tally: Tally, models: TextModels, data: bytes, text: str) -> None:
    decoded = decode(data, most_pixels=1 << 24, words=True)
    sheet = decoded.read
    assert sheet is not None
    searched = decoded.searched or sheet
    areas = areas_of((await models.finder.ask(Look(searched))).answer)
    said: list[str] = []
    if areas:
        scaled = tuple(area.scaled(sheet.width / searched.width) for area in areas)
        lines = (await models.reader.ask(Look(sheet, scaled))).answer
        said = _words(" ".join(line.words for line in lines.lines))
    written = _words(text)
    tally.pictures += 1
    tally.searched += bool(areas)
    tally.words += len(written)
    tally.read += sum(word in said for word in written)
    tally.others += sum(word not in written for word in said)


def _picture(random: Random, style: Style) -> tuple[bytes, str]:
    """With two lines, and what they say."""
    image = ground(random, _SIZE).convert("RGB")
    said: list[str] = []
    for top in (random.randint(4, 40), random.randint(250, 300)):
        words = random.choice(SENTENCES).split()
        while words and write(image, " ".join(words), (random.randint(4, 60), top), style) is None:
            words = words[: len(words) // 2]
        said += words
    return _encoded(image), " ".join(said)


def _encoded(image: Image.Image) -> bytes:
    file = BytesIO()
    image.convert("RGB").save(file, "JPEG", quality=80)
    return file.getvalue()


def _words(text: str) -> list[str]:
    """In small letters, parted by whatever is none."""
    return "".join(sign if sign.isalnum() else " " for sign in text.casefold()).split()


def _share(part: int, whole: int) -> str:
    return f"{100 * part / max(1, whole):5.1f} %"


def _say(what: str, how: str) -> None:
    sys.stdout.write(f"{what:24} {how}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
