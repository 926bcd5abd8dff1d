"""Seals content under its subject's own key before it reaches log or disk: erasure destroys a key, not a record."""

from __future__ import annotations

import os
import uuid
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from moat.audit.v1 import decision_record_pb2

if TYPE_CHECKING:
    from moat.mesh.v1 import content_pb2

_NONCE_BYTES = 12


class _DataKey(NamedTuple):
    key_id: str
    wrapped: bytes
    cipher: AESGCM


def associated_data(tenant: str, environment: str, decision_id: str) -> bytes:
    """Ties a sealed content to its record: moved to another one, it does not open."""
    return f"{tenant}\0{environment}\0{decision_id}".encode()


class Sealer:
    """Keeps the data keys of recent subjects at hand. A subject may have several over time; each travels, wrapped, with
    what it sealed."""

    def __init__(self, key_encryption_key: bytes, *, cached_keys: int) -> None:
        """`key_encryption_key`: 32 bytes (AES-256)."""
        self._kek = key_encryption_key
        self._data_key = lru_cache(maxsize=cached_keys)(self._new_data_key)

    def seal(
        self, content: content_pb2.Content, *, tenant: str, environment: str, subject: str, decision_id: str
    ) -> decision_record_pb2.SealedContent:
        """AES-256-GCM under the subject's data key."""
        key = self._data_key(tenant, environment, subject)
        nonce = os.urandom(_NONCE_BYTES)
        return decision_record_pb2.SealedContent(
            key_id=key.key_id,
            wrapped_key=key.wrapped,
            nonce=nonce,
            ciphertext=key.cipher.encrypt(
                nonce, content.SerializeToString(), associated_data(tenant, environment, decision_id)
            ),
        )

    def _new_data_key(self, tenant: str, environment: str, subject: str) -> _DataKey:  # noqa: ARG002 - what the cache is keyed by
        secret = AESGCM.generate_key(bit_length=256)
        return _DataKey(str(uuid.uuid4()), aes_key_wrap(self._kek, secret), AESGCM(secret))
