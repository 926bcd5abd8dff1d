"""A sealed file as the store holds it, and its opening.

The object names the key that sealed it, so that it opens whichever of two attempts to keep it wrote it last.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap
from google.protobuf.message import DecodeError
from moat.audit.v1 import decision_record_pb2


class DoesNotOpen(Exception):
    """The object was altered, or its key is another one."""


def as_object(sealed: decision_record_pb2.SealedContent) -> bytes:
    """Without the wrapped key, which goes where it can be erased."""
    held = decision_record_pb2.SealedContent(key_id=sealed.key_id, nonce=sealed.nonce, ciphertext=sealed.ciphertext)
    return held.SerializeToString()


def from_object(data: bytes) -> decision_record_pb2.SealedContent:
    """Raises DoesNotOpen for what is no such object."""
    try:
        return decision_record_pb2.SealedContent.FromString(data)
    except DecodeError as error:
        raise DoesNotOpen from error


def open_file(
    sealed: decision_record_pb2.SealedContent, key_encryption_key: bytes, wrapped_key: bytes, associated_data: bytes
) -> bytes:
    """The bytes as they came. Raises DoesNotOpen."""
    try:
        cipher = AESGCM(aes_key_unwrap(key_encryption_key, wrapped_key))
        return cipher.decrypt(sealed.nonce, sealed.ciphertext, associated_data)
    except (InvalidTag, InvalidUnwrap, ValueError) as error:
        raise DoesNotOpen from error


def associated_data(tenant: str, environment: str, decision_id: str, evidence_id: str) -> bytes:
    """Ties a file to its decision and its id: moved to another one, it does not open. The gateway says the same."""
    return f"{tenant}\0{environment}\0{decision_id}\0evidence\0{evidence_id}".encode()
