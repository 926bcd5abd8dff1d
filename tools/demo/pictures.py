"""Pictures for the demonstration, drawn here, and a hash bank that knows one of them."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
from moat_client import Decision, Moat, MoatError
from PIL import Image, ImageDraw

from services.detection.images.banks.entries import Entry
from services.detection.images.banks.folder import Bank, BankFiles
from services.detection.images.decode import decode

_SIZE = (640, 480)
_BANK, _CATEGORY = "demo", "fraud.financial_scam"
_READ_SECONDS = 15.0
_MOST_PIXELS = 10_000_000


async def show(moat: Moat, banks: Path, *, tell: Callable[[str], object]) -> list[str]:
    """Lists one picture in a bank, then posts another, the listed one, and its smaller copy. Returns what went wrong."""
    fine, listed = _landscape(1), _landscape(2)
    known = decode(_encoded(listed), most_pixels=_MOST_PIXELS).pdq
    entry = Entry("poster", known.hash, _CATEGORY, None, negative=False)
    BankFiles(banks, _BANK).write(Bank(tenant="demo"), [entry])
    small = listed.resize((_SIZE[0] // 2, _SIZE[1] // 2))
    tell("\n")
    try:
        await _until_known(moat, _encoded(listed))
        decisions = [
            await _post(moat, name, picture, tell)
            for name, picture in (
                ("a drawn landscape", _encoded(fine)),
                ("one that a bank knows", _encoded(listed)),
                ("its smaller, recompressed copy", _encoded(small, quality=40)),
            )
        ]
    except (MoatError, TimeoutError) as error:
        return [f"pictures were not decided: {getattr(error, 'reason', 'the bank was not read')}"]
    outcomes = [decision.outcome for decision in decisions]
    return [] if outcomes == ["ALLOW", "DROP", "DROP"] else [f"pictures came to {', '.join(outcomes)}"]


async def _until_known(moat: Moat, listed: bytes) -> None:
    """The mesh looks for new banks every second."""
    async with asyncio.timeout(_READ_SECONDS):
        while (await moat.moderate_image(listed, user_id=str(uuid.uuid4()))).category != _CATEGORY:
            await asyncio.sleep(0.5)


async def _post(moat: Moat, name: str, picture: bytes, tell: Callable[[str], object]) -> Decision:
    began = time.perf_counter()
    # Somebody new each time: whoever shows the demonstration twice has not said that already.
    decision = await moat.moderate_image(picture, user_id=str(uuid.uuid4()), channel_id="gallery")
    took = (time.perf_counter() - began) * 1000
    tell(f"{decision.outcome:5} {decision.category:22} {'painter':10} [picture: {name}]  {took:.0f} ms\n")
    return decision


def _landscape(seed: int) -> Image.Image:
    """Hills before a sky, and a sun or two."""
    random = np.random.default_rng(seed)
    width, height = _SIZE
    top, bottom = random.integers(60, 255, (2, 3))
    share = np.linspace(0, 1, height)[:, None, None]
    sky = np.broadcast_to(top * (1 - share) + bottom * share, (height, width, 3)).astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(sky))
    draw = ImageDraw.Draw(image)
    for _ in range(2):
        x, y, size = (int(value) for value in random.integers((0, 0, 30), (width, height // 2, 90)))
        draw.ellipse((x - size, y - size, x + size, y + size), fill=tuple(map(int, random.integers(120, 256, 3))))
    across = np.arange(width)
    for layer in range(4):
        ridge = np.full(width, height * (0.45 + 0.13 * layer))
        for _ in range(3):
            ridge += random.uniform(10, 40) * np.sin(across / random.uniform(20, 140) + random.uniform(0, 6))
        outline = [(0, height), *zip(across.tolist(), ridge.tolist(), strict=True), (width, height)]
        draw.polygon(outline, fill=tuple(map(int, random.integers(0, 200, 3))))
    return image


def _encoded(image: Image.Image, *, quality: int = 90) -> bytes:
    file = BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()
