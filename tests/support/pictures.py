"""Pictures made here: shapes and gradients, the same for the same seed. None is anybody's."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont


def drawing(seed: int, width: int = 640, height: int = 480) -> Image.Image:
    """Soft blobs of colour: as much structure as a photograph, as far as PDQ is concerned."""
    colours = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    return Image.fromarray(colours).resize((width, height), Image.Resampling.BICUBIC)


def skin_toned() -> Image.Image:
    """Three ellipses that open_nsfw takes for nudity (0.98): it is often wrong about skin. Found by trying."""
    made = Image.new("RGB", (256, 256), (127, 99, 249))
    pen = ImageDraw.Draw(made)
    for (x, y), (across, down), colour in (
        ((181, 134), (121, 73), (139, 106, 87)),
        ((75, 72), (57, 77), (161, 124, 101)),
        ((149, 117), (10, 9), (151, 116, 94)),
    ):
        pen.ellipse((x - across, y - down, x + across, y + down), fill=colour)
    return made.filter(ImageFilter.GaussianBlur(5.2))


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


def with_words(*lines: str, seed: int = 1, size: int = 32, width: int = 640, height: int = 480) -> Image.Image:
    """A drawing with lines of words over it, white with a dark edge as memes have them, the first at the top."""
    image = drawing(seed, width, height)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=size)
    for number, line in enumerate(lines):
        at = (24, 24 + number * round(size * 1.6))
        draw.text(at, line, font=font, fill="white", stroke_width=max(1, size // 12), stroke_fill="black")
    return image
