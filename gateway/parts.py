"""A content as its parts. Most contents are one thing: then there is one part, and it is the content itself."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from moat.mesh.v1 import content_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FILES = ("image", "audio")
"""Kinds whose bytes are a file: large, hashed, and kept nowhere but as evidence."""
Thing = content_pb2.TextContent | content_pb2.ImageContent | content_pb2.AudioContent


@dataclass(slots=True, eq=False)
class Part:
    """One thing of a content."""

    position: int
    kind: str
    """`text`, `image` or `audio`."""
    thing: Thing
    whole: content_pb2.Content | None
    """The content, where this is all of it."""
    sha256: bytes = b""
    """Of a file's bytes, once `hash_files` has run."""

    @property
    def content(self) -> content_pb2.Content:
        """The part as a content of its own. Copies a part of several."""
        return self.whole or content_pb2.Content(**{self.kind: self.thing})  # type: ignore[arg-type]  # by its kind

    @property
    def text(self) -> str:
        """Empty for a file."""
        return self.thing.text if isinstance(self.thing, content_pb2.TextContent) else ""

    @property
    def file(self) -> bytes:
        """Empty for a text."""
        return b"" if isinstance(self.thing, content_pb2.TextContent) else self.thing.data


def parts_of(content: content_pb2.Content) -> list[Part]:
    """In their order. Kinds that are not set are left out: validation refuses them."""
    kind = content.WhichOneof("kind")
    if kind is None:
        return []
    if kind != "parts":
        return [Part(0, kind, getattr(content, kind), content)]
    named = [(part, part.WhichOneof("kind")) for part in content.parts.parts]
    return [
        Part(position, kind, getattr(part, kind), None)
        for position, (part, kind) in enumerate(named)
        if kind is not None
    ]


def things_of(content: content_pb2.Content) -> Iterable[content_pb2.Content | content_pb2.Part]:
    """What has `text`, `image` and `audio`, of one thing and of several: cheaper than `parts_of`."""
    return content.parts.parts if content.HasField("parts") else (content,)


def file_bytes(content: content_pb2.Content) -> int:
    """How many bytes its files have."""
    return sum(len(thing.image.data) + len(thing.audio.data) for thing in things_of(content))


async def hash_files(parts: Sequence[Part]) -> None:
    """Of megabytes, which takes milliseconds: beside the event loop."""
    files = [part for part in parts if part.kind in FILES]
    if not files:
        return
    digests = await asyncio.to_thread(lambda: [hashlib.sha256(part.file).digest() for part in files])
    for part, digest in zip(files, digests, strict=True):
        part.sha256 = digest


def forget_files(content: content_pb2.Content) -> None:
    """Lets go of the bytes: traces keep an item for a while, and nobody asks for them again."""
    for thing in things_of(content):
        if thing.HasField("image"):
            thing.image.ClearField("data")
        elif thing.HasField("audio"):
            thing.audio.ClearField("data")


def without_files(content: content_pb2.Content) -> content_pb2.Content:
    """A copy with texts only and empty files in their places."""
    kept = content_pb2.Content()
    if not content.HasField("parts"):
        kept.text.CopyFrom(content.text)
        return kept
    for part in content.parts.parts:
        added = kept.parts.parts.add()
        if part.HasField("text"):
            added.text.CopyFrom(part.text)
        elif part.HasField("image"):
            added.image.media_type = part.image.media_type
        else:
            added.audio.media_type = part.audio.media_type
    return kept
