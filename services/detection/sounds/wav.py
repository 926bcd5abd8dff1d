"""From an encoded clip to numbers. Whatever a header claims is looked at before it costs anything."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.detection.worker import Refused

FIELD, TYPE_FIELD = "content.audio.data", "content.audio.media_type"
"""What a refusal is about."""
LOWEST_RATE, HIGHEST_RATE = 8000, 48000
_CHUNK = struct.Struct("<4sI")
_FORMAT = struct.Struct("<HHIIHH")
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_SUBFORMAT = 24
"""Where an extensible format's chunk says which it really is."""
_OPEN_ENDED = frozenset((0, 0x7FFFFFFF, 0xFFFFFFFF))
"""What writers put for a length that they did not know when they began."""
_WAV_TYPES = frozenset(("", "audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave"))
_KINDS = {(_PCM, 8): "u1", (_PCM, 16): "<i2", (_FLOAT, 32): "<f4"}
_CONVERT = "convert it to WAV with 16-bit PCM"


@dataclass(frozen=True, slots=True)
class Sound:
    """What came, one channel."""

    samples: NDArray[np.float32]
    """Finite, within -1 and 1."""
    rate: int
    format: str
    """`wav` or `pcm`."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """How samples lie in the bytes."""

    kind: str
    channels: int
    rate: int


def read(data: bytes, media_type: str, *, most_seconds: float) -> Sound:
    """Raises Refused, and nothing else, whatever the bytes are. What is a WAV file by its bytes is read as one, whatever it is
    called."""
    if _is_wav(data):
        layout, body = _wav(data)
        found = "wav"
    else:
        layout, body, found = _raw_layout(media_type), memoryview(data), "pcm"
    frame = np.dtype(layout.kind).itemsize * layout.channels
    count = len(body) // frame
    if not count:
        raise Refused("SOUND_EMPTY", "has no sound in it; send at least one sample")
    if count > most_seconds * layout.rate:
        long = f"is {count / layout.rate:.1f} s long; at most {most_seconds:g} s are listened to: send it in pieces"
        raise Refused("SOUND_TOO_LONG", long)
    values = np.frombuffer(body[: count * frame], dtype=layout.kind).reshape(count, layout.channels)
    return Sound(_mixed(values), layout.rate, found)


def _is_wav(data: bytes) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"WAVE"


def _mixed(values: NDArray[np.generic]) -> NDArray[np.float32]:
    """Both channels as one, between -1 and 1; what is no number is silence."""
    floats = values.astype(np.float32)
    if values.dtype == np.uint8:
        floats = (floats - np.float32(128)) / np.float32(128)
    elif values.dtype.kind == "i":
        floats /= np.float32(32768)
    np.nan_to_num(floats, copy=False, nan=0.0, posinf=1.0, neginf=-1.0)
    mixed: NDArray[np.float32] = np.clip(floats, -1, 1).mean(axis=1, dtype=np.float32)
    return mixed


def _raw_layout(media_type: str) -> _Layout:
    """Of bytes that have no header: what the caller says."""
    kind, _, more = media_type.partition(";")
    if kind.strip().lower() != "audio/pcm":
        if kind.strip().lower() in _WAV_TYPES:
            raise Refused("SOUND_FORMAT", f"is no WAV file; {_CONVERT}, or say `audio/pcm;rate=16000`")
        said = "says neither `audio/wav` nor `audio/pcm;rate=16000`, which are what is listened to"
        raise Refused("SOUND_FORMAT", f"{said}; {_CONVERT}", TYPE_FIELD)
    rate = more.strip().lower().removeprefix("rate=")
    if not (rate.isascii() and rate.isdigit() and len(rate) <= len(str(HIGHEST_RATE))):
        raise Refused("SOUND_FORMAT", "has no rate; say `audio/pcm;rate=16000`, or whatever it is", TYPE_FIELD)
    return _Layout("<i2", 1, _rate(int(rate), TYPE_FIELD))


def _wav(data: bytes) -> tuple[_Layout, memoryview]:
    layout: _Layout | None = None
    at = 12
    while at + _CHUNK.size <= len(data):
        name, size = _CHUNK.unpack_from(data, at)
        at += _CHUNK.size
        if name == b"fmt ":
            layout = _layout(data[at : at + min(size, 64)])
        elif name == b"data":
            if layout is None:
                raise _damaged("has its sound before it says of what kind it is")
            return layout, _body(data, at, size)
        at += size + size % 2
    raise _damaged("ends before its sound begins")


def _body(data: bytes, at: int, size: int) -> memoryview:
    left = len(data) - at
    if size in _OPEN_ENDED:
        size = left
    if size > left:
        raise _damaged(f"says that {size} bytes of sound follow, and has {left}")
    return memoryview(data)[at : at + size]


def _layout(header: bytes) -> _Layout:
    if len(header) < _FORMAT.size:
        raise _damaged("has no whole format header")
    tag, channels, rate, _, block, bits = _FORMAT.unpack_from(header)
    if tag == _EXTENSIBLE and len(header) >= _SUBFORMAT + 2:
        (tag,) = struct.unpack_from("<H", header, _SUBFORMAT)
    if (tag, bits) not in _KINDS:
        said = f"has samples of {bits} bits in format {tag}; PCM of 8 or 16 bits and 32-bit float are listened to"
        raise Refused("SOUND_FORMAT", f"{said}: {_CONVERT}")
    if channels not in (1, 2):
        raise Refused("SOUND_FORMAT", f"has {channels} channels; 1 or 2 are listened to: mix them down")
    if block != channels * bits // 8:
        raise _damaged(f"says that {channels} samples of {bits} bits take {block} bytes")
    return _Layout(_KINDS[tag, bits], channels, _rate(rate, FIELD))


def _rate(rate: int, field: str) -> int:
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        said = f"has {rate} samples a second; {LOWEST_RATE} to {HIGHEST_RATE} are listened to: resample it"
        raise Refused("SOUND_RATE", said, field)
    return rate


def _damaged(what: str) -> Refused:
    return Refused("SOUND_DAMAGED", f"{what}; send a whole file that plays elsewhere")
