"""What words are written over: surfaces, textures and drawings without any."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Size = tuple[int, int]
"""Width and height."""
Colour = tuple[int, int, int]


def ground(random: Random, size: Size) -> Image.Image:
    """One of the kinds below, by chance."""
    return random.choice(GROUNDS)(random, size)


def colour(random: Random) -> Colour:
    """Any."""
    return random.randrange(256), random.randrange(256), random.randrange(256)


def plain(random: Random, size: Size) -> Image.Image:
    """One colour."""
    return Image.new("RGB", size, colour(random))


def gradient(random: Random, size: Size) -> Image.Image:
    """From four corners."""
    return _stretched(random, size, 2)


def blobs(random: Random, size: Size) -> Image.Image:
    """Soft patches, as of what is out of focus."""
    return _stretched(random, size, random.randint(5, 16))


def noise(random: Random, size: Size) -> Image.Image:
    """A gradient taken in the dark."""
    smooth = np.asarray(_stretched(random, size, 4), dtype=np.float32)
    grain = _numbers(random).normal(0, random.choice((5, 15, 30)), smooth.shape)
    return _image(smooth + grain)


def texture(random: Random, size: Size) -> Image.Image:
    """As of clouds, bark, leaves: less of what is finer, by a power that differs."""
    numbers, (width, height) = _numbers(random), size
    power = random.uniform(0.9, 1.9)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None] * random.uniform(0.5, 2), np.fft.fftfreq(width)[None, :])
    frequency[0, 0] = 1
    shared, planes = numbers.normal(size=(height, width)), []
    for _ in range(3):
        waves = np.fft.fft2(0.8 * shared + 0.2 * numbers.normal(size=(height, width))) / frequency**power
        plane = np.real(np.fft.ifft2(waves))
        planes.append((plane - plane.mean()) / plane.std() * random.uniform(20, 60) + random.uniform(60, 190))
    return _image(np.stack(planes, axis=2))


def stripes(random: Random, size: Size) -> Image.Image:
    """Waves in one direction: cloth, blinds, water."""
    across, down = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    turn, period = random.uniform(0, np.pi), random.uniform(4, 60)
    wave = np.sin((across * np.cos(turn) + down * np.sin(turn)) * 2 * np.pi / period)
    if random.random() < _HALF:
        wave = np.sign(wave)
    return _between(random, wave)


def lattice(random: Random, size: Size) -> Image.Image:
    """Lines in two directions: bricks, windows, fences, tables."""
    image = ground(random, size) if random.random() < _HALF else plain(random, size)
    draw, line = ImageDraw.Draw(image), colour(random)
    step, width, shift = random.randint(8, 70), random.randint(1, 4), random.randint(0, 30)
    for number, y in enumerate(range(0, size[1], step)):
        draw.line((0, y, size[0], y), fill=line, width=width)
        for x in range((number % 2) * shift, size[0], step * 2):
            draw.line((x, y, x, y + step), fill=line, width=width)
    return image.rotate(random.choice((0, 0, random.uniform(-40, 40))), Image.Resampling.BILINEAR)


def shapes(random: Random, size: Size) -> Image.Image:
    """Discs, boxes and bars over a gradient."""
    image = gradient(random, size)
    draw = ImageDraw.Draw(image)
    for _ in range(random.randint(3, 40)):
        x, y, side = random.randint(0, size[0]), random.randint(0, size[1]), random.randint(3, size[0] // 3)
        box = (x, y, x + side, y + int(side * random.uniform(0.3, 1.5)))
        match random.randrange(4):
            case 0:
                draw.ellipse(box, fill=colour(random))
            case 1:
                draw.rectangle(box, fill=colour(random))
            case 2:
                draw.line((x, y, random.randint(0, size[0]), random.randint(0, size[1])), fill=colour(random), width=3)
            case _:
                draw.arc(box, random.randint(0, 360), random.randint(0, 360), fill=colour(random), width=2)
    return image


def strokes(random: Random, size: Size) -> Image.Image:
    """Many short strokes anyhow: grass, twigs, confetti, hair."""
    image = ground(random, size) if random.random() < _HALF else gradient(random, size)
    draw, length = ImageDraw.Draw(image), random.randint(4, 60)
    turn, spread = random.uniform(0, np.pi), random.choice((0.2, 0.6, 3.1))
    for _ in range(random.randint(40, 500)):
        x, y = random.randint(0, size[0]), random.randint(0, size[1])
        angle = random.gauss(turn, spread)
        end = (x + length * np.cos(angle), y + length * np.sin(angle))
        draw.line((x, y, *end), fill=colour(random), width=random.randint(1, 4))
    return image


def leaves(random: Random, size: Size) -> Image.Image:
    """Things that hide each other, few large and many small, in a changing light: the edges that photographs have."""
    image = gradient(random, size)
    draw = ImageDraw.Draw(image)
    least = random.uniform(2, 8)
    for _ in range(random.randint(60, 600)):
        # Sizes by an inverse square law: that looks the same from near and from afar.
        radius = min(least / max(random.random(), 1e-3) ** 0.6, size[0] / 2)
        x, y = random.uniform(0, size[0]), random.uniform(0, size[1])
        corners, turn = random.choice((3, 4, 4, 5, 7, 16)), random.uniform(0, np.pi)
        flat = random.uniform(0.2, 1)
        outline = [
            (x + radius * np.cos(angle + turn), y + radius * flat * np.sin(angle + turn))
            for angle in np.linspace(0, 2 * np.pi, corners, endpoint=False)
        ]
        draw.polygon(outline, fill=colour(random))
    light = np.asarray(texture(random, size), dtype=np.float32) / 128
    shaded = np.asarray(image, dtype=np.float32) * (1 + random.uniform(0, 0.8) * (light - 1))
    return _image(shaded).filter(ImageFilter.GaussianBlur(random.choice((0, 0.5, 1.0))))


def _stretched(random: Random, size: Size, points: int) -> Image.Image:
    few = _numbers(random).integers(0, 256, (points, points, 3), dtype=np.uint8)
    return Image.fromarray(few).resize(size, Image.Resampling.BICUBIC)


def _between(random: Random, wave: NDArray[np.float64]) -> Image.Image:
    """-1 to 1 as a mixture of two colours."""
    share = (wave[..., None] + 1) / 2
    image = _image(share * np.asarray(colour(random)) + (1 - share) * np.asarray(colour(random)))
    return image.filter(ImageFilter.GaussianBlur(random.choice((0, 0.6, 1.5))))


def _image(values: NDArray[np.floating]) -> Image.Image:
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def _numbers(random: Random) -> np.random.Generator:
    return np.random.default_rng(random.getrandbits(32))


_HALF = 0.5
GROUNDS: tuple[Callable[[Random, Size], Image.Image], ...] = (
    plain,
    gradient,
    blobs,
    noise,
    texture,
    texture,
    stripes,
    lattice,
    shapes,
    strokes,
    leaves,
    leaves,
)
"""All kinds; some twice, since photographs are mostly such."""
