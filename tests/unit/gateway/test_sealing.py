"""Sealed content opens with its subject's key, for its own record, and not otherwise."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap
from moat.audit.v1 import decision_record_pb2
from moat.mesh.v1 import content_pb2

from gateway.sealing import Sealer, Subject

KEK = b"k" * 32
CONTENT = content_pb2.Content(text=content_pb2.TextContent(text="between us"))


def seal(sealer: Sealer, *, tenant: str = "demo", subject: str = "u1") -> decision_record_pb2.SealedContent:
    return sealer.seal(CONTENT, Subject(tenant, "production", subject, "d1"))


def unseal(sealed: decision_record_pb2.SealedContent, decision_id: str = "d1") -> content_pb2.Content:
    cipher = AESGCM(aes_key_unwrap(KEK, sealed.wrapped_key))
    data = Subject("demo", "production", "u1", decision_id).associated_data()
    return content_pb2.Content.FromString(cipher.decrypt(sealed.nonce, sealed.ciphertext, data))


def test_what_is_sealed_can_be_opened() -> None:
    assert unseal(seal(Sealer(KEK, cached_keys=10))) == CONTENT


def test_a_sealed_content_does_not_open_as_another_decisions() -> None:
    with pytest.raises(InvalidTag):
        unseal(seal(Sealer(KEK, cached_keys=10)), "d2")


def test_found_words_do_not_open_as_a_content() -> None:
    sealed = Sealer(KEK, cached_keys=10).seal(CONTENT, Subject("demo", "production", "u1", "d1"), "words")
    with pytest.raises(InvalidTag):
        unseal(sealed)


def test_a_subject_keeps_its_key_while_it_is_at_hand() -> None:
    sealer = Sealer(KEK, cached_keys=10)
    one, other = seal(sealer), seal(sealer)
    assert one.key_id == other.key_id
    assert one.nonce != other.nonce


def test_subjects_and_tenants_have_keys_of_their_own() -> None:
    sealer = Sealer(KEK, cached_keys=10)
    assert len({seal(sealer).key_id, seal(sealer, subject="u2").key_id, seal(sealer, tenant="other").key_id}) == 3


def test_forgotten_keys_are_replaced_by_new_ones() -> None:
    sealer = Sealer(KEK, cached_keys=1)
    first = seal(sealer)
    seal(sealer, subject="u2")
    assert seal(sealer).key_id != first.key_id
    assert unseal(first) == CONTENT
