"""What can be asked about, and what can be told of it without asking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from moat.mesh.v1 import content_pb2
from moat_client.errors import invalid

MAX_CHARACTERS = 10_000
MAX_IMAGE_BYTES = 4 * 1024 * 1024
MAX_AUDIO_BYTES = 3 * 1024 * 1024
MAX_PARTS = 8
NOT_UNICODE = "has a lone surrogate; send valid Unicode"


@dataclass(frozen=True, slots=True)
class Image:
    """A picture: the bytes of a JPEG, PNG, WebP or GIF, at most 4 MiB."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Audio:
    """A clip with speech, at most 3 MiB and 90 seconds: the bytes of a WAV, or PCM as `media_type` says
    (`audio/pcm;rate=16000`)."""

    data: bytes
    media_type: str = "audio/wav"


Thing = str | Image | Audio
"""A line of text, a picture or a clip."""


class About(TypedDict, total=False):
    """What may be said of a content besides its author. See `ModerationItem` in the protos."""

    channel_id: str
    target_user_ids: Sequence[str]
    surface: str
    request_id: str | None
    """Makes a repeat safe; the SDK makes one up if there is none."""
    timeout: float | None
    """Seconds; travels as the mesh's deadline too. The client's own if None."""
    traceparent: str | None
    do_not_store: bool


def content_of(thing: Thing) -> content_pb2.Content:
    """Of one thing. Raises MoatError for what the mesh would refuse."""
    _check("content.", thing)
    if isinstance(thing, str):
        return content_pb2.Content(text=content_pb2.TextContent(text=thing))
    if isinstance(thing, Image):
        return content_pb2.Content(image=content_pb2.ImageContent(data=thing.data))
    return content_pb2.Content(audio=_audio(thing))


def content_of_all(things: Sequence[Thing]) -> content_pb2.Content:
    """Of several things that are shown together. Raises MoatError."""
    if not 1 <= len(things) <= MAX_PARTS:
        raise invalid("content.parts.parts", f"must be 1 to {MAX_PARTS}, are {len(things)}")
    content = content_pb2.Content()
    for position, thing in enumerate(things):
        _check(f"content.parts.parts[{position}].", thing)
        part = content.parts.parts.add()
        if isinstance(thing, str):
            part.text.text = thing
        elif isinstance(thing, Image):
            part.image.data = thing.data
        else:
            part.audio.CopyFrom(_audio(thing))
    return content


def is_unicode(text: str) -> bool:
    """Whether it can be sent at all."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _audio(thing: Audio) -> content_pb2.AudioContent:
    return content_pb2.AudioContent(data=thing.data, media_type=thing.media_type)


def _check(place: str, thing: Thing) -> None:
    if isinstance(thing, str):
        _check_text(f"{place}text.text", thing)
    elif isinstance(thing, Image):
        _check_bytes(f"{place}image.data", thing.data, MAX_IMAGE_BYTES, "a smaller copy")
    else:
        _check_bytes(f"{place}audio.data", thing.data, MAX_AUDIO_BYTES, "a shorter clip")


def _check_text(field: str, text: str) -> None:
    if not text:
        raise invalid(field, "must be at least 1 characters")
    if len(text) > MAX_CHARACTERS:
        raise invalid(field, f"must be at most {MAX_CHARACTERS} characters")
    if not is_unicode(text):
        raise invalid(field, NOT_UNICODE)


def _check_bytes(field: str, data: bytes, most: int, instead: str) -> None:
    if not data:
        raise invalid(field, "must be at least 1 byte")
    if len(data) > most:
        raise invalid(field, f"must be at most {most} bytes; send {instead}")
