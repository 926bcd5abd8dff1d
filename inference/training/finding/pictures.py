"""Pictures with and without letters, and which of their squares have some."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from inference.rendering.grounds import ground
from inference.rendering.lettering import Style, tinted, write

SIDE, CELL = 320, 8
UNKNOWN = 2
"""A square at an edge, or with letters too small to ask for."""
_SMALLEST = 10
_MANY = 5
_COMMON = "etaoinshrdlucmfwypvbgkjqxzETAO"
_LETTERS = _COMMON + "INSHRDLU0123456789"


def picture(seed: int, fonts: Sequence[Path]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """[320, 320, 3] pixels, and [40, 40] squares: 1 with letters, 0 without, 2 unknown. A third have no words."""
    random = Random(seed)
    image = ground(random, (SIDE, SIDE)).copy()
    letters, small = Image.new("L", image.size), Image.new("L", image.size)
    _write(random, image, fonts, letters, small)
    return np.asarray(_worn(random, image, seed)), _squares(letters, small)


def _write(random: Random, image: Image.Image, fonts: Sequence[Path], letters: Image.Image, small: Image.Image) -> None:
    lines = random.choice((0, 0, 0, 1, 1, 2, 3, 5, 8))
    top = random.randint(0, SIDE // 2) if lines < 4 else random.randint(0, 20)  # noqa: PLR2004 - few
    for _ in range(lines):
        size = round(8 * 2 ** random.choice((random.uniform(0, 1), random.uniform(0, 1.6), random.uniform(1, 3.9))))
        size = min(size, 28) if lines >= _MANY else size
        font = random.choice([*fonts, *[None] * 4])
        angle = random.choice((0, 0, 0, 0, random.uniform(-8, 8), random.uniform(-30, 30), 90, -90))
        text = _line(random, han=font is not None and "wqy" in font.name)
        while len(text) * size * 0.5 > SIDE * 0.95 and len(text) > 2:  # noqa: PLR2004 - something is written
            text = text[:-1].strip() or text[:1]
        left = random.randint(0, max(1, SIDE - int(len(text) * size * 0.55) - 10))
        try:
            written = write(image, text, (left, top), tinted(random, Style(size, angle, font=font)))
        except (OSError, ValueError):
            continue  # a font without that size
        if written is not None:
            ImageDraw.Draw(letters if size >= _SMALLEST else small).polygon(written.corners, fill=255)
            top += int(size * random.uniform(1.3, 2.5))


def _line(random: Random, *, han: bool) -> str:
    if han:
        return "".join(chr(random.randint(0x4E00, 0x8FFF)) for _ in range(random.randint(2, 12)))
    text = " ".join(_word(random) for _ in range(random.choice((1, 1, 2, 2, 3, 4, 5, 6))))
    kind = random.random()
    if kind < 0.35:  # noqa: PLR2004 - as memes are written
        return text.upper()
    return text.title() if kind < 0.5 else text + random.choice(("", "", ".", "!", "?", "!!", " :)"))  # noqa: PLR2004


def _word(random: Random) -> str:
    length = random.choice((1, 2, 3, 3, 4, 4, 5, 5, 6, 7, 8, 10))
    return "".join(random.choice(_COMMON if random.random() < 0.9 else _LETTERS) for _ in range(length))  # noqa: PLR2004


def _worn(random: Random, image: Image.Image, seed: int) -> Image.Image:
    """In another light, out of focus, with grain, compressed: some of it, by chance."""
    half, third = 0.5, 0.3
    if random.random() < half:
        image = _image(np.asarray(image, dtype=np.float32) * [random.uniform(0.5, 1.1) for _ in range(3)])
    if random.random() < third:
        image = image.filter(ImageFilter.GaussianBlur(random.uniform(0.3, 1.0)))
    if random.random() < third:
        grain = np.random.default_rng(seed).normal(0, random.uniform(2, 14), (SIDE, SIDE, 1))
        image = _image(np.asarray(image, dtype=np.float32) + grain)
    if random.random() < 2 * third:
        file = BytesIO()
        image.save(file, "JPEG", quality=random.randint(30, 92))
        image = Image.open(file).convert("RGB")
    return image


def _squares(letters: Image.Image, small: Image.Image) -> NDArray[np.uint8]:
    covered, faint = (
        np.asarray(mask, dtype=np.float32).reshape(SIDE // CELL, CELL, SIDE // CELL, CELL).mean(axis=(1, 3)) / 255
        for mask in (letters, small)
    )
    found = np.full(covered.shape, UNKNOWN, dtype=np.uint8)
    found[covered < 0.05] = 0  # noqa: PLR2004 - a corner of a letter is none
    found[covered >= 0.35] = 1  # noqa: PLR2004 - a third of the square
    found[(faint > 0.02) & (found != 1)] = UNKNOWN  # noqa: PLR2004 - any
    return found


def _image(values: NDArray[np.floating]) -> Image.Image:
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
