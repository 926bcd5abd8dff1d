"""Opens sealed content for those who may read it."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap
from moat.audit.v1 import decision_record_pb2
from moat.detection.v1 import signals_pb2
from moat.mesh.v1 import content_pb2


class Unsealer:
    """Holds the key-encryption key."""

    def __init__(self, key_encryption_key: bytes) -> None:
        """32 bytes."""
        self._kek = key_encryption_key

    def content(self, record: decision_record_pb2.DecisionRecord, wrapped_key: bytes) -> content_pb2.Content:
        """The content. Raises cryptography's InvalidTag or InvalidUnwrap when record and key do not belong together."""
        return content_pb2.Content.FromString(self._open(record, record.sealed_content, wrapped_key))

    def words(self, record: decision_record_pb2.DecisionRecord, wrapped_key: bytes) -> signals_pb2.FoundWordsList:
        """The words that were found in pictures and clips. Raises as `content` does."""
        return signals_pb2.FoundWordsList.FromString(
            self._open(record, record.sealed_words, wrapped_key, purpose="words")
        )

    def _open(
        self,
        record: decision_record_pb2.DecisionRecord,
        sealed: decision_record_pb2.SealedContent,
        wrapped_key: bytes,
        *,
        purpose: str = "",
    ) -> bytes:
        names = (record.tenant, record.environment, record.decision_id, *((purpose,) if purpose else ()))
        cipher = AESGCM(aes_key_unwrap(self._kek, wrapped_key))
        return cipher.decrypt(sealed.nonce, sealed.ciphertext, "\0".join(names).encode())
