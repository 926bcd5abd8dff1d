"""Pictures made here: shapes and gradients, the same for the same seed. None is anybody's."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image


def drawing(seed: int, width: int = 640, height: int = 480) -> Image.Image:
    """Soft blobs of colour: as much structure as a photograph, as far as PDQ is concerned."""
    colours = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    return Image.fromarray(colours).resize((width, height), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def changed_a_little(image: Image.Image) -> bytes:
    """As people pass pictures on: smaller, and compressed once more."""
    width, height = image.size
    return encoded(image.resize((width * 2 // 3, height * 2 // 3), Image.Resampling.LANCZOS), quality=40)


def bomb(side: int = 9000) -> bytes:
    """A hundred kilobytes that claim to be eighty million pixels."""
    return encoded(Image.new("1", (side, side)), "PNG")
