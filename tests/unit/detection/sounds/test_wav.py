"""The reader of clips takes what people send, and refuses what nobody honest does: always by name, never by falling over."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.detection.sounds.wav import Sound, read
from services.detection.worker import Refused
from tools.speech.clips import RATE, wav

TONE = np.sin(np.arange(RATE) * 2 * np.pi * 440 / RATE).astype(np.float32)
PCM = np.round(TONE * 32767).astype("<i2")
HEADER = wav(PCM)[:44]


def sound(data: bytes, media_type: str = "") -> Sound:
    return read(data, media_type, most_seconds=90)


def refusal(data: bytes, media_type: str = "") -> Refused:
    with pytest.raises(Refused) as caught:
        sound(data, media_type)
    return caught.value


@pytest.mark.parametrize(
    ("samples", "off"),
    [(PCM, 1e-4), (TONE, 1e-6), (np.round(TONE * 127 + 128).astype("u1"), 0.02)],
    ids=["16 bits", "float", "8 bits"],
)
def test_every_kind_of_sample_is_the_same_sound(samples: NDArray[np.generic], off: float) -> None:
    found = sound(wav(samples))
    assert (found.rate, found.format) == (RATE, "wav")
    assert found.samples == pytest.approx(TONE, abs=off)


def test_two_channels_are_mixed() -> None:
    both = np.stack([PCM, np.zeros_like(PCM)], axis=1)
    assert sound(wav(both, channels=2)).samples == pytest.approx(TONE / 2, abs=1e-4)


def test_bytes_without_a_header_are_what_the_caller_says() -> None:
    found = sound(PCM.tobytes(), "audio/pcm;rate=8000")
    assert (found.rate, found.format, len(found.samples)) == (8000, "pcm", RATE)
    assert found.samples == pytest.approx(TONE, abs=1e-4)


def test_a_wav_file_is_one_whatever_it_is_called() -> None:
    assert sound(wav(PCM), "audio/pcm;rate=8000").format == "wav"


def test_chunks_that_say_other_things_are_passed_over() -> None:
    data = wav(PCM)
    with_title = data[:12] + b"LIST" + struct.pack("<I", 3) + b"abc\0" + data[12:]
    assert len(sound(with_title).samples) == RATE


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_a_file_that_was_written_before_its_length_was_known_is_read_to_its_end(size: int) -> None:
    assert len(sound(HEADER[:40] + struct.pack("<I", size) + PCM.tobytes()).samples) == RATE


def test_an_extensible_format_is_what_it_says_inside() -> None:
    inside = struct.pack("<HHIIHHHHI", 0xFFFE, 1, RATE, RATE * 2, 2, 16, 22, 16, 4) + struct.pack("<H", 1) + bytes(14)
    data = b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<I", len(inside)) + inside + HEADER[36:] + PCM.tobytes()
    assert sound(data).samples == pytest.approx(TONE, abs=1e-4)


def test_what_is_no_number_is_silence_and_what_is_too_loud_is_loud() -> None:
    values = np.array([np.nan, np.inf, -np.inf, 1e30, 0.5], dtype=np.float32)
    assert sound(wav(values)).samples == pytest.approx([0, 1, -1, 1, 0.5])


def layout(kind: int = 1, channels: int = 1, rate: int = RATE, block: int = 2, bits: int = 16) -> bytes:
    header = struct.pack("<HHIIHH", kind, channels, rate, rate * block, block, bits)
    return HEADER[:20] + header + HEADER[36:] + PCM.tobytes()


@pytest.mark.parametrize(
    ("data", "reason", "said"),
    [
        (layout(bits=24, block=3), "SOUND_FORMAT", "24 bits in format 1; PCM of 8 or 16 bits"),
        (layout(kind=0x55), "SOUND_FORMAT", "format 85"),
        (layout(channels=6, block=12), "SOUND_FORMAT", "6 channels; 1 or 2"),
        (layout(channels=0, block=0), "SOUND_FORMAT", "0 channels"),
        (layout(block=0), "SOUND_DAMAGED", "take 0 bytes"),
        (layout(rate=0), "SOUND_RATE", "0 samples a second; 8000 to 48000"),
        (layout(rate=0xFFFFFFF), "SOUND_RATE", "resample it"),
        (HEADER, "SOUND_DAMAGED", "says that 32000 bytes of sound follow, and has 0"),
        (wav(PCM)[:-100], "SOUND_DAMAGED", "send a whole file"),
        (HEADER[:30], "SOUND_DAMAGED", "send a whole file"),
        (wav(PCM[:0]), "SOUND_EMPTY", "no sound"),
        (HEADER[:12] + HEADER[36:] + PCM.tobytes(), "SOUND_DAMAGED", "before it says of what kind"),
        (wav(np.zeros(91 * 8000, np.uint8), rate=8000), "SOUND_TOO_LONG", "91.0 s long; at most 90 s"),
        (b"OggS" + bytes(100), "SOUND_FORMAT", "convert it to WAV"),
        (b"", "SOUND_FORMAT", "is no WAV file"),
    ],
)
def test_what_is_no_clip_is_refused_with_a_remedy(data: bytes, reason: str, said: str) -> None:
    found = refusal(data)
    assert found.reason == reason
    assert said in found.message


@pytest.mark.parametrize(
    ("media_type", "reason", "said"),
    [
        ("audio/ogg", "SOUND_FORMAT", "neither `audio/wav` nor"),
        ("audio/pcm", "SOUND_FORMAT", "has no rate"),
        ("audio/pcm;rate=fast", "SOUND_FORMAT", "has no rate"),
        ("audio/pcm;rate=\u0661\u0666", "SOUND_FORMAT", "has no rate"),
        ("audio/pcm;rate=7999", "SOUND_RATE", "8000 to 48000"),
    ],
)
def test_a_media_type_that_says_nothing_is_refused_by_its_name(media_type: str, reason: str, said: str) -> None:
    found = refusal(PCM.tobytes(), media_type)
    assert (found.reason, found.field) == (reason, "content.audio.media_type")
    assert said in found.message


@settings(max_examples=400, deadline=None)
@given(
    st.binary(max_size=300)
    | st.binary(max_size=200).map(lambda rest: b"RIFF\0\0\0\0WAVE" + rest)
    | st.builds(
        lambda at, put: wav(PCM[:200])[:at] + put + wav(PCM[:200])[at + len(put) :],
        st.integers(0, 60),
        st.binary(max_size=8),
    ),
    st.sampled_from(("", "audio/wav", "audio/pcm;rate=8000", "audio/pcm;rate=48000", "x")) | st.text(max_size=30),
)
def test_whatever_comes_is_sound_or_refused(data: bytes, media_type: str) -> None:
    try:
        found = sound(data, media_type)
    except Refused:
        return
    assert 0 < len(found.samples) <= len(data)
    assert 8000 <= found.rate <= 48000
    assert np.all(np.abs(found.samples) <= 1)
