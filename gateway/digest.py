"""Keyed digests: to tell a repeat from a reuse of a request id, and to count repeats, without keeping what was said."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from moat.mesh.v1 import content_pb2
from moat.moderation.v1 import moderation_pb2

from gateway.parts import FILES, Part, parts_of

_REPEAT_BYTES = 16


def derive(key_encryption_key: bytes, purpose: str) -> bytes:
    """A 32-byte secret of its own for each purpose, the same on every gateway."""
    info = f"moat/{purpose}".encode()
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info).derive(key_encryption_key)


class Digests:
    """All digests. Whoever does not hold the secret can neither make nor guess them."""

    def __init__(self, key_encryption_key: bytes) -> None:
        """Derives a secret for each."""
        self._of_request = derive(key_encryption_key, "request-digest")
        self._of_text = derive(key_encryption_key, "repeat-digest")
        self._of_file = derive(key_encryption_key, "repeat-digest-of-images")
        self._of_several = derive(key_encryption_key, "repeat-digest-of-parts")

    def of_request(self, message: moderation_pb2.ModerationItem, surface: str, parts: Sequence[Part] = ()) -> bytes:
        """32 bytes over author, place and content: what a repeat must have in common. Of a file the bytes count, by their
        SHA-256, which is taken from `parts` where it is known; what its sender calls a picture does not."""
        asked = moderation_pb2.ModerationItem(
            user_id=message.user_id,
            channel_id=message.channel_id,
            target_user_ids=message.target_user_ids,
            surface=surface,
        )
        several = message.content.HasField("parts")
        for part in parts or parts_of(message.content):
            _add(asked.content.parts.parts.add() if several else asked.content, part)
        return hmac.digest(self._of_request, asked.SerializeToString(deterministic=True), "sha256")

    def of_text(self, text: str) -> bytes:
        """16 bytes that are the same for texts that differ only in case and spacing."""
        folded = " ".join(text.lower().split())
        return hmac.digest(self._of_text, folded.encode(), "sha256")[:_REPEAT_BYTES]

    def of_file(self, sha256: bytes) -> bytes:
        """16 bytes that are the same for files of the same bytes."""
        return hmac.digest(self._of_file, sha256, "sha256")[:_REPEAT_BYTES]

    def of_parts(self, parts: Sequence[Part]) -> bytes:
        """16 bytes that are the same for contents whose parts repeat each other; of one part, that part's own."""
        digests = [self.of_file(part.sha256) if part.kind in FILES else self.of_text(part.text) for part in parts]
        if len(digests) == 1:
            return digests[0]
        return hmac.digest(self._of_several, b"".join(digests), "sha256")[:_REPEAT_BYTES]


def _add(asked: content_pb2.Content | content_pb2.Part, part: Part) -> None:
    """What counts of a part. How raw sound is to be read belongs to it; what a picture is called does not."""
    if isinstance(part.thing, content_pb2.TextContent):
        asked.text.CopyFrom(part.thing)
        return
    digest = part.sha256 or hashlib.sha256(part.file).digest()
    if part.kind == "image":
        asked.image.data = digest
    else:
        asked.audio.data, asked.audio.media_type = digest, part.thing.media_type
