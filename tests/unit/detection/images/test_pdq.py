"""PDQ agrees with its reference, and means what it promises."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from services.detection.images.decode import decode
from services.detection.images.pdq import MOST_DISTANT, distance, pdq
from tests.support.pictures import changed_a_little, drawing, encoded

PIXELS = 40_000_000


@pytest.mark.parametrize(
    ("seed", "width", "height", "expected", "quality"),
    [
        (1, 512, 512, "8f00e4434ed70fc45039f039b32c53bc70ffd636b1739315e4338f5c924c8f3a", 100),
        (2, 640, 480, "ad15934870a02d84d07bd27b8f5f64b752ea2da66ce4e42d46f3f04931f98f50", 100),
        (3, 64, 64, "a5148762da756cc46c049b3b258a709d52ebf803a55578979323d27739d764f9", 100),
        (4, 100, 333, "e4fe139b07e6f81ca5fe13f3f819ec64930164c1d247e478ec55078552ed4495", 100),
        (5, 31, 47, "6ca4d23aad06d07c46092f8712f92dcd9353f020b96b529ed2cf932f399b926d", 100),
    ],
)
def test_it_agrees_with_the_reference(seed: int, width: int, height: int, expected: str, quality: int) -> None:
    """What `pdqhash` 0.2.8 says of the same pixels; a bit or two are numpy's and Pillow's to differ in."""
    found = pdq(np.asarray(drawing(seed, width, height)))
    assert distance(found.hash, bytes.fromhex(expected)) <= 2
    assert abs(found.quality - quality) <= 1


def test_a_smaller_and_recompressed_copy_is_near() -> None:
    original = drawing(7)
    one = decode(encoded(original, quality=95), most_pixels=PIXELS).pdq
    other = decode(changed_a_little(original), most_pixels=PIXELS).pdq
    assert distance(one.hash, other.hash) <= 10


def test_another_picture_is_far() -> None:
    one, other = (decode(encoded(drawing(seed)), most_pixels=PIXELS).pdq for seed in (8, 9))
    assert distance(one.hash, other.hash) > 2 * MOST_DISTANT


@pytest.mark.parametrize("size", [(1, 1), (4, 400), (300, 300)])
def test_what_has_no_structure_has_no_quality(size: tuple[int, int]) -> None:
    assert decode(encoded(Image.new("RGB", size, "teal")), most_pixels=PIXELS).pdq.quality < 10
