"""Seals content under its subject's own key before it reaches log or disk: erasure destroys a key, not a record."""

from __future__ import annotations

import os
import uuid
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from moat.audit.v1 import decision_record_pb2
from moat.detection.v1 import signals_pb2

from gateway.parts import without_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.message import Message

    from gateway.items import Item

WORDS = "words"
"""The purpose under which found words are sealed."""
_NONCE_BYTES = 12


class _DataKey(NamedTuple):
    key_id: str
    wrapped: bytes
    cipher: AESGCM


class Subject(NamedTuple):
    """Whose content it is, and which decision's."""

    tenant: str
    environment: str
    user_id: str
    decision_id: str

    def associated_data(self, purpose: str = "") -> bytes:
        """Ties what is sealed to its record and its place there: moved to another one, it does not open."""
        names = (self.tenant, self.environment, self.decision_id, *((purpose,) if purpose else ()))
        return "\0".join(names).encode()


class Sealed(NamedTuple):
    """What a record keeps of a content; None for what is not there or shall not be kept."""

    content: decision_record_pb2.SealedContent | None = None
    words: decision_record_pb2.SealedContent | None = None


class Sealer:
    """Keeps the data keys of recent subjects at hand. A subject may have several over time; each travels, wrapped, with
    what it sealed."""

    def __init__(self, key_encryption_key: bytes, *, cached_keys: int) -> None:
        """`key_encryption_key`: 32 bytes (AES-256)."""
        self._kek = key_encryption_key
        self._data_key = lru_cache(maxsize=cached_keys)(self._new_data_key)

    def seal(self, message: Message, subject: Subject, purpose: str = "") -> decision_record_pb2.SealedContent:
        """AES-256-GCM under the subject's data key. `purpose` tells what is sealed besides the content."""
        return self.seal_bytes(message.SerializeToString(), subject, purpose)

    def seal_bytes(self, data: bytes, subject: Subject, purpose: str) -> decision_record_pb2.SealedContent:
        """The same of bytes that are no message."""
        key = self._data_key(subject.tenant, subject.environment, subject.user_id)
        nonce = os.urandom(_NONCE_BYTES)
        return decision_record_pb2.SealedContent(
            key_id=key.key_id,
            wrapped_key=key.wrapped,
            nonce=nonce,
            ciphertext=key.cipher.encrypt(nonce, data, subject.associated_data(purpose)),
        )

    def seal_item(self, item: Item, words: Sequence[signals_pb2.FoundWords]) -> Sealed:
        """What a record keeps: texts, and words that were found; of files nothing."""
        message = item.message
        if message.do_not_store:
            return Sealed()
        subject = Subject(item.arrival.tenant.name, item.arrival.environment, message.user_id, item.decision_id)
        content = words_ = None
        if any(part.text for part in item.parts):
            kept = message.content if item.parts[0].whole else without_files(message.content)
            content = self.seal(kept, subject)
        if words:
            words_ = self.seal(signals_pb2.FoundWordsList(words=words), subject, WORDS)
        return Sealed(content, words_)

    def _new_data_key(self, tenant: str, environment: str, subject: str) -> _DataKey:  # noqa: ARG002 - what the cache is keyed by
        secret = AESGCM.generate_key(bit_length=256)
        return _DataKey(str(uuid.uuid4()), aes_key_wrap(self._kek, secret), AESGCM(secret))
