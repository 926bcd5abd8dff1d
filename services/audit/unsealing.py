"""Opens sealed content for those who may read it."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap
from moat.audit.v1 import decision_record_pb2
from moat.mesh.v1 import content_pb2


class Unsealer:
    """Holds the key-encryption key."""

    def __init__(self, key_encryption_key: bytes) -> None:
        """32 bytes."""
        self._kek = key_encryption_key

    def open(self, record: decision_record_pb2.DecisionRecord, wrapped_key: bytes) -> content_pb2.Content:
        """The content. Raises cryptography's InvalidTag or InvalidUnwrap when record and key do not belong together."""
        sealed = record.sealed_content
        associated = f"{record.tenant}\0{record.environment}\0{record.decision_id}".encode()
        cipher = AESGCM(aes_key_unwrap(self._kek, wrapped_key))
        return content_pb2.Content.FromString(cipher.decrypt(sealed.nonce, sealed.ciphertext, associated))
