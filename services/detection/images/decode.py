"""From an encoded picture to what is kept of it. Runs in a worker process: see `worker`.

Everything that a hostile file may claim is looked at before it costs anything: the format by its own bytes, the pixels by the
header. Whatever Pillow trips over besides is one refusal.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from services.detection.images.pdq import Pdq, pdq
from services.detection.worker import Refused

FIELD = "content.image.data"
"""What a refusal is about."""
MODEL_SIDE = 224
"""The model's pictures are [224, 224, 3]."""
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
_HASHED_SIDE = 512
"""Longest side of what is hashed and scored: PDQ blurs down to 64 points and the model looks at 256."""
_MODEL_RESIZED = 256
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation → what makes it upright."""
_LYING = frozenset((5, 6, 7, 8))
_PLAIN_MODES = frozenset(("RGB", "L", "CMYK", "YCbCr"))
"""Can be made smaller as they are, without alpha or palette."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What is kept of a picture."""

    pdq: Pdq
    width: int
    """As it is shown, in pixels."""
    height: int
    format: str
    """`jpeg`, `png`, `webp` or `gif`."""
    pixels: bytes
    """[224, 224, 3] RGB, a byte each: what the model looks at."""


def decode(data: bytes, *, most_pixels: int) -> Decoded:
    """Raises Refused, and nothing else, whatever the bytes are."""
    try:
        with warnings.catch_warnings():
            # Pillow warns of odd files; they are decoded or refused here, and nobody reads a worker's warnings.
            warnings.simplefilter("ignore")
            return _decode(data, most_pixels)
    except Refused:
        raise
    except Image.DecompressionBombError:
        raise _too_large("more pixels than can be counted", most_pixels) from None
    except Exception as error:
        message = "is truncated or damaged; send a whole file that opens elsewhere"
        raise Refused("IMAGE_DAMAGED", message) from error


def _decode(data: bytes, most_pixels: int) -> Decoded:
    try:
        image = Image.open(BytesIO(data), formats=_FORMATS)
    except UnidentifiedImageError:
        message = "is none of JPEG, PNG, WebP and GIF; convert it to one of these"
        raise Refused("IMAGE_FORMAT", message) from None
    width, height = image.size
    if width * height > most_pixels:
        raise _too_large(f"{width} x {height} pixels", most_pixels)
    found = str(image.format).lower()
    turn = _orientation(image)
    upright = _small(image)
    if turn in _TURNS:
        upright = upright.transpose(_TURNS[turn])
    if turn in _LYING:
        width, height = height, width
    return Decoded(pdq(np.asarray(upright)), width, height, found, _for_model(upright))


def _too_large(what: str, most_pixels: int) -> Refused:
    return Refused("IMAGE_TOO_LARGE", f"has {what}; at most {most_pixels} are decoded: send a smaller copy")


def _orientation(image: Image.Image) -> int:
    """1 (upright) unless EXIF, where it can be read, says otherwise."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - a picture with broken EXIF data is shown all the same
        return 1


def _small(image: Image.Image) -> Image.Image:
    """RGB, its longest side at most 512. JPEG is decoded at a fraction of its size, which costs a fraction too."""
    if image.mode not in _PLAIN_MODES:
        image = _without_alpha(image)
    image.thumbnail((_HASHED_SIDE, _HASHED_SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return image.convert("RGB")


def _without_alpha(image: Image.Image) -> Image.Image:
    """Over white, as most pages show it."""
    if image.mode.startswith("I"):
        # Sixteen bits a point; `convert` alone would cut them off at 255.
        return image.convert("I").point(lambda value: value / 256).convert("L")
    seen = image.convert("RGBA")
    seen.thumbnail((_HASHED_SIDE, _HASHED_SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0)
    ground = Image.new("RGBA", seen.size, "white")
    ground.alpha_composite(seen)
    return ground.convert("RGB")


def _for_model(upright: Image.Image) -> bytes:
    """As the model was trained: squeezed to a square, its middle, once through JPEG."""
    resized = upright.resize((_MODEL_RESIZED, _MODEL_RESIZED), Image.Resampling.BILINEAR)
    edge = (_MODEL_RESIZED - MODEL_SIDE) // 2
    middle = resized.crop((edge, edge, edge + MODEL_SIDE, edge + MODEL_SIDE))
    with BytesIO() as file:
        middle.save(file, "JPEG")
        return Image.open(file, formats=("JPEG",)).tobytes()
