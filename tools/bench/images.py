"""`python -m tools.bench.images`: the index among a million hashes, pictures through a mesh one by one and at once,
and lines beside them. Prints; `docs/benchmarks.md` is about lines."""

from __future__ import annotations

import asyncio
import sys
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from io import BytesIO

import numpy as np
import uvloop
from moat_client import Moat
from PIL import Image, ImageDraw, ImageFont

from services.detection.images.banks.index import HashIndex
from tools.bench.meshes import RunningMesh, mesh
from tools.bench.stats import percentile

_ENTRIES = 1_000_000
_QUERIES = 500
_ONE_BY_ONE = 40
_AT_ONCE = 100
_SIZES = {"640 x 480": (640, 480), "1920 x 1080": (1920, 1080), "4000 x 3000": (4000, 3000)}

_WORDS = {"one line": 1, "two lines": 2, "eight lines": 8}
_POINTS = 28
_SAID = (
    "ready for the dungeon tonight",
    "winter sale ends on sunday",
    "this map is far too large",
    "thanks for the shield",
)


def main() -> int:
    """Returns the exit code."""
    _index()
    with mesh() as one:
        _say("mesh, idle", f"{one.memory_mb():.0f} MB")
        uvloop.run(_pictures(one))
        _say("mesh, afterwards", f"{one.memory_mb():.0f} MB")
    return 0


def _index() -> None:
    random = np.random.default_rng(1)
    hashes = random.integers(0, 256, (_ENTRIES, 32), dtype=np.uint8)
    began = time.perf_counter()
    index = HashIndex(hashes)
    _say("index of a million, built", f"{time.perf_counter() - began:.2f} s")
    for name, queries in (
        ("an entry", hashes[:_QUERIES]),
        ("no entry", random.integers(0, 256, (_QUERIES, 32), dtype=np.uint8)),
    ):
        taken = []
        for query in queries:
            began = time.perf_counter()
            index.within(query.tobytes())
            taken.append(time.perf_counter() - began)
        _say(f"within 31 bits of {name}", _marks(taken))


async def _pictures(one: RunningMesh) -> None:
    async with one.client() as moat:
        for name, size in _SIZES.items():
            pictures = [_picture(seed, size) for seed in range(_ONE_BY_ONE)]
            await moat.moderate_image(_picture(_ONE_BY_ONE, size), user_id="warm")
            taken = [await _timed(partial(moat.moderate_image, data, user_id=_someone())) for data in pictures]
            _say(f"one by one, {name}, {len(pictures[0]) // 1024} KiB", _marks(taken))
        for name, lines in _WORDS.items():
            pictures = [_picture(2000 + seed, (640, 480), lines) for seed in range(_ONE_BY_ONE)]
            taken = [await _timed(partial(moat.moderate_image, data, user_id=_someone())) for data in pictures]
            _say(f"one by one, 640 x 480, {name}", _marks(taken))
        alone = [await _timed(partial(_line, moat)) for _ in range(_ONE_BY_ONE)]
        pictures = [_picture(1000 + seed, (640, 480)) for seed in range(_AT_ONCE)]
        began = time.perf_counter()
        many = asyncio.gather(*(moat.moderate_image(data, user_id=_someone()) for data in pictures))
        beside = [await _timed(partial(_line, moat)) for _ in range(_ONE_BY_ONE)]
        decisions = await many
        seconds = time.perf_counter() - began
        outcomes = ", ".join(
            f"{name} {count}" for name, count in Counter(decision.outcome for decision in decisions).items()
        )
        _say(f"{_AT_ONCE} at once", f"{_AT_ONCE / seconds:.0f} a second ({outcomes})")
        _say("a line alone", _marks(alone))
        _say("a line beside them", _marks(beside))


async def _line(moat: Moat) -> None:
    await moat.moderate("good evening, ready for the dungeon?", user_id=_someone())


async def _timed(ask: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await ask()
    return time.perf_counter() - began


def _someone() -> str:
    return str(uuid.uuid4())


def _picture(seed: int, size: tuple[int, int], lines: int = 0) -> bytes:
    """Soft blobs of colour with lines of words over them, as memes have them; no two are alike to PDQ."""
    colours = np.random.default_rng((seed, *size)).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    image = Image.fromarray(colours).resize(size, Image.Resampling.BICUBIC)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=_POINTS)
    for line in range(lines):
        top = 12 + line * (size[1] - 64) // max(1, lines - 1)
        said = f"{_SAID[(seed + line) % len(_SAID)]} {seed % 100}"
        draw.text((24, top), said, font=font, fill="white", stroke_width=2, stroke_fill="black")
    file = BytesIO()
    image.save(file, "JPEG", quality=85)
    return file.getvalue()


def _marks(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    return f"p50 {percentile(ordered, 0.5) * 1000:.2f} ms, p95 {percentile(ordered, 0.95) * 1000:.2f} ms"


def _say(what: str, how: str) -> None:
    sys.stdout.write(f"{what:40} {how}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
