"""Keyed digests: to tell a repeat from a reuse of a request id, and to count repeats, without keeping what was said."""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from moat.moderation.v1 import moderation_pb2

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
        self._of_image = derive(key_encryption_key, "repeat-digest-of-images")

    def of_request(self, message: moderation_pb2.ModerationItem, surface: str, *, image_sha256: bytes = b"") -> bytes:
        """32 bytes over author, place and content: the parts of an item that a repeat must have in common. Of a picture the
        bytes count, by their SHA-256, which may be handed in; what its sender calls it does not."""
        asked = moderation_pb2.ModerationItem(
            user_id=message.user_id,
            channel_id=message.channel_id,
            target_user_ids=message.target_user_ids,
            surface=surface,
        )
        if message.content.HasField("image"):
            asked.content.image.data = image_sha256 or hashlib.sha256(message.content.image.data).digest()
        else:
            asked.content.CopyFrom(message.content)
        return hmac.digest(self._of_request, asked.SerializeToString(deterministic=True), "sha256")

    def of_text(self, text: str) -> bytes:
        """16 bytes that are the same for texts that differ only in case and spacing."""
        folded = " ".join(text.lower().split())
        return hmac.digest(self._of_text, folded.encode(), "sha256")[:_REPEAT_BYTES]

    def of_image(self, sha256: bytes) -> bytes:
        """16 bytes that are the same for pictures of the same bytes."""
        return hmac.digest(self._of_image, sha256, "sha256")[:_REPEAT_BYTES]
