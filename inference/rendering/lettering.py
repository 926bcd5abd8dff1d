"""Lines written over a picture, and where they stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from inference.rendering.grounds import Colour

Corners = tuple[tuple[float, float], ...]
"""Four points, from the line's beginning at the top, clockwise as it is read."""
_BRIGHT = 128
_APART = 60
"""How much lettering and ground differ in brightness at the least, of 255."""


@dataclass(frozen=True, slots=True)
class Written:
    """A line that stands in a picture."""

    text: str
    corners: Corners
    size: int
    """Of its letters, in points, which are pixels here."""


@dataclass(frozen=True, slots=True)
class Style:
    """How a line is written."""

    size: int
    angle: float = 0.0
    """Degrees, against the clock."""
    contrast: float = 1.0
    """1 is black on white; less is nearer to the ground."""
    outlined: bool = False
    boxed: bool = False
    font: Path | None = None
    """A file; the one that comes with Pillow if there is none."""


def write(image: Image.Image, text: str, at: tuple[int, int], style: Style) -> Written | None:
    """Writes over `image`, the line's middle turned about its own; None, and nothing is written, where it does not fit."""
    font = _font(style)
    left, top, right, bottom = (int(value) for value in font.getbbox(text, stroke_width=_stroke(style)))
    pad = 4 + style.size // 4
    width, height = right - left + 2 * pad, bottom - top + 2 * pad
    layer = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    ink, edge = _inks(image, at, (width, height), style)
    draw = ImageDraw.Draw(layer)
    if style.boxed:
        draw.rectangle((pad // 2, pad // 2, width - pad // 2, height - pad // 2), fill=(*edge, 255))
    draw.text(
        (pad - left, pad - top),
        text,
        font=font,
        fill=(*ink, 255),
        stroke_width=_stroke(style),
        stroke_fill=(*edge, 255),
    )
    turned = layer.rotate(style.angle, Image.Resampling.BICUBIC, expand=True)
    if at[0] + turned.width > image.width or at[1] + turned.height > image.height:
        return None
    image.paste(turned, at, turned)
    half = ((right - left) / 2, (bottom - top) / 2)
    middle = (at[0] + turned.width / 2, at[1] + turned.height / 2)
    return Written(text, _corners(middle, half, style.angle), style.size)


def fonts_in(folder: Path) -> Sequence[Path]:
    """Font files under a folder, sorted."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".ttf", ".otf", ".ttc"})


def _stroke(style: Style) -> int:
    return max(1, style.size // 12) if style.outlined else 0


def _font(style: Style) -> ImageFont.FreeTypeFont:
    if style.font is not None:
        return ImageFont.truetype(str(style.font), style.size)
    font = ImageFont.load_default(size=style.size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        message = "this Pillow was built without FreeType; install its wheel"
        raise TypeError(message)
    return font


def _inks(image: Image.Image, at: tuple[int, int], size: tuple[int, int], style: Style) -> tuple[Colour, Colour]:
    """Of letters and of what is around them: light on dark or dark on light, nearer together with less contrast."""
    crop = image.crop((*at, at[0] + size[0], at[1] + size[1])).convert("L")
    ground = float(np.asarray(crop).mean())
    away = 255.0 if ground < _BRIGHT else 0.0
    ink = round(ground + (away - ground) * max(style.contrast, _APART / 255))
    edge = 0 if ink >= _BRIGHT else 255
    return (ink, ink, ink), (edge, edge, edge)


def _corners(middle: tuple[float, float], half: tuple[float, float], angle: float) -> Corners:
    turn = np.deg2rad(-angle)
    cos, sin = float(np.cos(turn)), float(np.sin(turn))
    return tuple(
        (middle[0] + x * cos - y * sin, middle[1] + x * sin + y * cos)
        for x, y in ((-half[0], -half[1]), (half[0], -half[1]), (half[0], half[1]), (-half[0], half[1]))
    )


def tinted(random: Random, written: Style) -> Style:
    """The same with one of the looks that pictures have."""
    look = random.random()
    return Style(
        written.size,
        written.angle,
        contrast=random.choice((0.45, 0.6, 0.8, 1.0, 1.0)),
        outlined=look < 0.35,  # noqa: PLR2004 - a third
        boxed=0.35 <= look < 0.5,  # noqa: PLR2004 - a sixth
        font=written.font,
    )
