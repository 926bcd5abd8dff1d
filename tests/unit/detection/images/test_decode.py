"""The decoder takes what people send, and refuses what nobody honest does: always by name, never by falling over."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from services.detection.images.decode import Decoded, decode
from services.detection.images.pdq import distance
from services.detection.worker import Refused
from tests.support.pictures import bomb, drawing, encoded

PIXELS = 40_000_000
UPRIGHT = drawing(3, 320, 200)
SAMPLES = [
    encoded(UPRIGHT),
    encoded(UPRIGHT, "PNG"),
    encoded(UPRIGHT, "WEBP"),
    encoded(UPRIGHT.convert("P"), "GIF", save_all=True, append_images=[drawing(4, 320, 200)]),
    encoded(UPRIGHT, progressive=True, exif=bytes.fromhex("457869660000") + b"\xff" * 40),
]


def refusal(data: bytes, *, most_pixels: int = PIXELS) -> Refused:
    with pytest.raises(Refused) as caught:
        decode(data, most_pixels=most_pixels)
    return caught.value


def tried(data: bytes) -> None:
    """Decodes it or refuses it by name; any other exception fails the test."""
    found: Decoded | Refused
    try:
        found = decode(data, most_pixels=1_000_000)
    except Refused as refused:
        found = refused
    if isinstance(found, Refused):
        assert found.reason in {"IMAGE_FORMAT", "IMAGE_DAMAGED", "IMAGE_TOO_LARGE"}
        assert found.message
    else:
        assert len(found.pdq.hash) == 32
        assert 0 <= found.pdq.quality <= 100


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_the_bytes_say_what_they_are(kind: str) -> None:
    found = decode(encoded(UPRIGHT, kind), most_pixels=PIXELS)
    assert (found.format, found.width, found.height) == (kind.lower(), 320, 200)
    assert len(found.pixels) == 224 * 224 * 3


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_kind_of_pixels_is_seen_alike(mode: str) -> None:
    if mode == "I;16":
        grey = np.asarray(UPRIGHT.convert("L")).astype(np.uint16) * 257
        data = encoded(Image.fromarray(grey), "PNG")
    else:
        data = encoded(UPRIGHT.convert(mode), "PNG")
    plain = decode(encoded(UPRIGHT, "PNG"), most_pixels=PIXELS)
    assert distance(decode(data, most_pixels=PIXELS).pdq.hash, plain.pdq.hash) <= 40


def test_print_colours_are_seen_too() -> None:
    found = decode(encoded(UPRIGHT.convert("CMYK"), "JPEG"), most_pixels=PIXELS)
    assert distance(found.pdq.hash, decode(encoded(UPRIGHT), most_pixels=PIXELS).pdq.hash) <= 20


def test_what_is_transparent_is_seen_over_white() -> None:
    clear = Image.new("RGBA", (300, 300), (0, 0, 0, 0))
    assert set(decode(encoded(clear, "PNG"), most_pixels=PIXELS).pixels) == {255}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_seen_as_it_is_shown(orientation: int) -> None:
    turned = {
        1: UPRIGHT,
        2: UPRIGHT.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: UPRIGHT.transpose(Image.Transpose.ROTATE_180),
        4: UPRIGHT.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: UPRIGHT.transpose(Image.Transpose.TRANSPOSE),
        6: UPRIGHT.transpose(Image.Transpose.ROTATE_90),
        7: UPRIGHT.transpose(Image.Transpose.TRANSVERSE),
        8: UPRIGHT.transpose(Image.Transpose.ROTATE_270),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = decode(encoded(turned, exif=exif, quality=95), most_pixels=PIXELS)
    assert (found.width, found.height) == (320, 200)
    assert distance(found.pdq.hash, decode(encoded(UPRIGHT), most_pixels=PIXELS).pdq.hash) <= 10


def test_a_bomb_is_refused_by_its_header() -> None:
    data = bomb()
    assert len(data) < 100_000
    refused = refusal(data)
    assert refused.reason == "IMAGE_TOO_LARGE"
    assert "9000 x 9000" in refused.message
    assert "40000000" in refused.message


def test_a_header_that_claims_more_than_memory_is_refused_too() -> None:
    data = bytearray(encoded(Image.new("L", (8, 8)), "PNG"))
    data[16:24] = (2**31 - 1).to_bytes(4) * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4)
    assert refusal(bytes(data)).reason == "IMAGE_TOO_LARGE"


@pytest.mark.parametrize(
    "data", [b"", b"x", b"\0" * 1000, b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"BM" + b"\0" * 99]
)
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    assert refusal(data).reason in {"IMAGE_FORMAT", "IMAGE_DAMAGED"}


def test_a_format_that_is_not_served_is_refused() -> None:
    assert refusal(encoded(UPRIGHT, "TIFF")).reason == "IMAGE_FORMAT"


@pytest.mark.parametrize("sample", SAMPLES, ids=["jpeg", "png", "webp", "gif", "odd exif"])
def test_what_was_cut_off_is_refused_or_seen_but_never_trips(sample: bytes) -> None:
    for share in range(0, len(sample), max(1, len(sample) // 25)):
        tried(sample[:share])


def test_a_picture_that_is_an_archive_too_is_a_picture() -> None:
    assert decode(SAMPLES[0] + b"PK\x03\x04" + b"evil" * 100, most_pixels=PIXELS).format == "jpeg"


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    sample=st.sampled_from(SAMPLES),
    cuts=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=12)), max_size=6),
    length=st.floats(0.2, 1),
)
def test_damaged_files_are_decoded_or_refused(sample: bytes, cuts: list[tuple[float, bytes]], length: float) -> None:
    data = bytearray(sample)
    for place, patch in cuts:
        at = int(place * len(data))
        data[at : at + len(patch)] = patch
    tried(bytes(data[: int(length * len(data))]))


@settings(max_examples=200, deadline=None)
@given(
    head=st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x40\0\0\0WEBPVP8 ", b"GIF89a", b""]),
    rest=st.binary(max_size=400),
)
def test_noise_is_refused(head: bytes, rest: bytes) -> None:
    tried(head + rest)
