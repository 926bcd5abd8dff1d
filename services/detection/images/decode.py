"""From an encoded picture to what is kept of it. Runs in a worker process: see `worker`.

Everything that a hostile file may claim is looked at before it costs anything: the format by its own bytes, the pixels by the
header. Whatever Pillow trips over besides is one refusal.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from services.detection.images.pdq import Pdq, pdq
from services.detection.worker import Refused

FIELD = "content.image.data"
"""What a refusal is about."""
WORDS = "words"
"""Tells a worker that words are to be read."""
MODEL_SIDE = 224
"""The model's pictures are [224, 224, 3]."""
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
_HASHED_SIDE = 512
"""Longest side of what is hashed and scored: PDQ blurs down to 64 points and the model looks at 256."""
_READ_SIDE = 960
"""Longest side of what words are read in."""
_SEARCHED_SIDE = 640
"""Longest side of what words are looked for in."""
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
_Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A picture as words are looked for or read in it."""

    width: int
    """In pixels."""
    height: int
    pixels: bytes
    """[height, width, 3] RGB, a byte each."""


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
    read: Sheet | None = None
    """At most 960 pixels long; None unless words are to be read."""
    searched: Sheet | None = None
    """The same, at most 640 pixels long; None if that is `read` as it is."""


def decode(data: bytes, *, most_pixels: int, words: bool = False) -> Decoded:
    """With `words`, also what they are read in. Raises Refused, and nothing else, whatever the bytes are."""
    try:
        with warnings.catch_warnings():
            # Pillow warns of odd files; they are decoded or refused here, and nobody reads a worker's warnings.
            warnings.simplefilter("ignore")
            return _decode(data, most_pixels, words=words)
    except Refused:
        raise
    except Image.DecompressionBombError:
        raise _too_large("more pixels than can be counted", most_pixels) from None
    except Exception as error:
        message = "is truncated or damaged; send a whole file that opens elsewhere"
        raise Refused("IMAGE_DAMAGED", message) from error


def _decode(data: bytes, most_pixels: int, *, words: bool) -> Decoded:
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
    upright, *more = (_turned(copy, turn) for copy in _copies(image, words=words))
    if turn in _LYING:
        width, height = height, width
    sheets = [_sheet(copy) for copy in more]
    return Decoded(pdq(np.asarray(upright)), width, height, found, _for_model(upright), *sheets)


def _too_large(what: str, most_pixels: int) -> Refused:
    return Refused("IMAGE_TOO_LARGE", f"has {what}; at most {most_pixels} are decoded: send a smaller copy")


def _orientation(image: Image.Image) -> int:
    """1 (upright) unless EXIF, where it can be read, says otherwise."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - a picture with broken EXIF data is shown all the same
        return 1


def _copies(image: Image.Image, *, words: bool) -> list[Image.Image]:
    """RGB: at most 512 pixels long for hash and model. If words are to be read, also at most 960, and at most
    640 if that is another."""
    size, box = image.size, None
    if image.mode in _PLAIN_MODES:
        box = _drafted(image)
    else:
        image = _without_palette(image)
    copies = [_over_white(_reduced(image, size, _HASHED_SIDE, box))]
    if words:
        copies.append(_over_white(_reduced(image, size, _READ_SIDE, box)))
        if max(copies[-1].size) > _SEARCHED_SIDE:
            copies.append(_reduced(copies[-1], copies[-1].size, _SEARCHED_SIDE, None))
    return copies


def _drafted(image: Image.Image) -> _Box | None:
    """JPEG is decoded at a fraction of its size, which costs a fraction too: to a square of twice what is hashed at
    the least. Returns which part of what will be decoded is the picture, if that is a fraction."""
    twice = (2 * _HASHED_SIDE, 2 * _HASHED_SIDE)
    drafted = image.draft(None, twice) if max(image.size) > _HASHED_SIDE else None
    return None if drafted is None else drafted[1]


def _without_palette(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # Sixteen bits a point; `convert` alone would cut them off at 255.
        return image.convert("I").point(lambda value: value / 256).convert("L")
    return image.convert("RGBA")


def _reduced(image: Image.Image, size: tuple[int, int], side: int, box: _Box | None) -> Image.Image:
    """At most `side` long, as Pillow's `thumbnail` makes it, but in a copy. `size` is the picture's before it was drafted to
    `box`."""
    if max(size) <= side:
        return image
    return image.resize(_fitted(*size, side), Image.Resampling.BILINEAR, box=box, reducing_gap=2.0)


def _fitted(width: int, height: int, side: int) -> tuple[int, int]:
    """The same shape within a square, to the pixel as Pillow's `thumbnail` has it."""
    across = width >= height
    longer, shorter = (width, height) if across else (height, width)
    exact = side * shorter / longer
    shape = width / height

    def off(pixels: int) -> float:
        if not pixels:
            return 0.0 if across else shape
        return abs(shape - (side / pixels if across else pixels / side))

    other = max(min(int(exact), math.ceil(exact), key=off), 1)
    return (side, other) if across else (other, side)


def _over_white(image: Image.Image) -> Image.Image:
    """As most pages show what is transparent."""
    if image.mode != "RGBA":
        return image.convert("RGB")
    ground = Image.new("RGBA", image.size, "white")
    ground.alpha_composite(image)
    return ground.convert("RGB")


def _turned(image: Image.Image, turn: int) -> Image.Image:
    return image.transpose(_TURNS[turn]) if turn in _TURNS else image


def _sheet(image: Image.Image) -> Sheet:
    return Sheet(*image.size, image.tobytes())


def _for_model(upright: Image.Image) -> bytes:
    """As the model was trained: squeezed to a square, its middle, once through JPEG."""
    resized = upright.resize((_MODEL_RESIZED, _MODEL_RESIZED), Image.Resampling.BILINEAR)
    edge = (_MODEL_RESIZED - MODEL_SIDE) // 2
    middle = resized.crop((edge, edge, edge + MODEL_SIDE, edge + MODEL_SIDE))
    with BytesIO() as file:
        middle.save(file, "JPEG")
        return Image.open(file, formats=("JPEG",)).tobytes()
