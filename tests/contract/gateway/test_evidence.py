"""Files that a rule wants kept: there before the record that names them, sealed, and never a reason not to decide."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from typing import TYPE_CHECKING

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap
from moat.audit.v1 import decision_record_pb2, evidence_store_service_pb2
from moat.routing.v1 import verdict_pb2

from services.audit.evidence.object_store import StoreDown, StoreFull
from services.audit.evidence.sealed_file import associated_data
from tests.contract.gateway.fake_mesh import item
from tests.contract.gateway.test_images import LARGEST, picture
from tests.contract.gateway.test_parts import clip, image, several, text
from tests.contract.gateway.waiting import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from moat.moderation.v1 import moderation_pb2

    from services.runtime.errors import MoatError
    from tests.contract.gateway.fake_mesh import FakeMesh

    StartFakeMesh = Callable[..., Awaitable[FakeMesh]]

DAY = 86_400
MISSING = "evidence:missing"


@pytest.fixture
async def keeping(fake_mesh: FakeMesh) -> FakeMesh:
    """A mesh with a rule that keeps the first thing of every content."""
    fake_mesh.routing.evidence_parts = [0]
    return fake_mesh


def record_of(mesh: FakeMesh, decision: moderation_pb2.Decision) -> decision_record_pb2.DecisionRecord:
    return mesh.audit.records[decision.decision_id]


def opened(kept: evidence_store_service_pb2.KeepItem, decision_id: str = "") -> bytes:
    """As the audit service opens it."""
    owner, sealed = kept.context, kept.sealed
    associated = associated_data(
        owner.tenant, owner.environment, decision_id or owner.decision_id, kept.file.evidence_id
    )
    return AESGCM(aes_key_unwrap(b"k" * 32, sealed.wrapped_key)).decrypt(sealed.nonce, sealed.ciphertext, associated)


async def test_a_picture_that_a_rule_wants_kept_is_kept_and_named(keeping: FakeMesh) -> None:
    decision = await keeping.decide(picture("r1", b"secret pixels"))
    record = record_of(keeping, decision)
    (file,) = record.evidence
    assert (file.part, file.kind, file.size) == (0, "image", 13)
    assert file.sha256 == hashlib.sha256(b"secret pixels").digest()
    assert file.delete_time.seconds == record.receive_time.seconds + 30 * DAY
    kept = keeping.audit.evidence.kept[file.evidence_id]
    assert kept.file == file
    assert (kept.context.decision_id, kept.context.request_id) == (decision.decision_id, "r1")
    assert not decision.degraded
    assert record.timings[-1].hop == "evidence"


async def test_what_is_kept_opens_for_its_own_decision_only(keeping: FakeMesh) -> None:
    decision = await keeping.decide(picture("r1", b"secret pixels"))
    (file,) = record_of(keeping, decision).evidence
    kept = keeping.audit.evidence.kept[file.evidence_id]
    assert b"secret" not in kept.sealed.ciphertext
    assert opened(kept) == b"secret pixels"
    with pytest.raises(InvalidTag):
        opened(kept, str(uuid.uuid4()))


async def test_the_file_is_there_before_the_record_that_names_it(keeping: FakeMesh) -> None:
    keeping.audit.evidence.gate.clear()
    answer = asyncio.create_task(keeping.decide(picture("r1")))
    await until(lambda: len(keeping.audit.evidence.asked) == 1)
    assert not keeping.audit.records
    keeping.audit.evidence.gate.set()
    decision = await answer
    assert [file.evidence_id for file in record_of(keeping, decision).evidence] == list(keeping.audit.evidence.kept)


async def test_the_largest_picture_is_kept(keeping: FakeMesh) -> None:
    data = b"x" * LARGEST
    decision = await keeping.decide(picture("r1", data))
    (file,) = record_of(keeping, decision).evidence
    assert opened(keeping.audit.evidence.kept[file.evidence_id]) == data


async def test_of_several_things_those_are_kept_that_the_rule_fired_for(keeping: FakeMesh) -> None:
    keeping.routing.evidence_parts = [1, 3]
    decision = await keeping.decide(several("r1", text("hello"), image(b"one"), image(b"two"), clip(b"three")))
    record = record_of(keeping, decision)
    assert [(file.part, file.kind) for file in record.evidence] == [(1, "image"), (3, "audio")]
    assert [opened(keeping.audit.evidence.kept[file.evidence_id]) for file in record.evidence] == [b"one", b"three"]


async def test_a_text_is_no_file(keeping: FakeMesh) -> None:
    decision = await keeping.decide(item("r1"))
    assert not record_of(keeping, decision).evidence
    assert not decision.degraded
    assert not keeping.audit.evidence.asked


async def test_nothing_is_kept_that_no_rule_wants_kept(fake_mesh: FakeMesh) -> None:
    decision = await fake_mesh.decide(picture("r1", b"spam"))
    assert not record_of(fake_mesh, decision).evidence
    assert not fake_mesh.audit.evidence.asked


async def test_what_shall_not_be_stored_is_kept_nowhere_whatever_a_rule_wants(keeping: FakeMesh) -> None:
    decision = await keeping.decide(picture("r1", do_not_store=True))
    assert not record_of(keeping, decision).evidence
    assert not keeping.audit.evidence.asked
    assert not decision.degraded


@pytest.mark.parametrize("error", [StoreDown(), StoreFull()], ids=["down", "full"])
async def test_a_store_that_keeps_nothing_degrades_the_decision_and_blocks_nobody(
    keeping: FakeMesh, error: MoatError
) -> None:
    keeping.audit.evidence.error = error
    decision = await keeping.decide(picture("r1", b"spam"))
    assert decision.outcome == verdict_pb2.OUTCOME_DROP
    assert list(decision.degraded) == [MISSING]
    assert not record_of(keeping, decision).evidence


async def test_a_store_that_hangs_leaves_time_for_the_record(start_fake_mesh: StartFakeMesh) -> None:
    mesh = await start_fake_mesh(evidence={"share": 0.5, "seconds": 0.2})
    mesh.routing.evidence_parts = [0]
    mesh.audit.evidence.gate.clear()
    decision = await mesh.decide(picture("r1"))
    assert list(decision.degraded) == [MISSING]
    assert decision.decision_id in mesh.audit.records


async def test_without_the_audit_service_the_decision_is_spooled_without_the_file(keeping: FakeMesh) -> None:
    await keeping.audit.stop()
    decision = await keeping.decide(picture("r1"))
    assert set(decision.degraded) == {MISSING, "audit:spooled"}


async def test_a_repeat_of_a_decided_request_keeps_no_second_file(keeping: FakeMesh) -> None:
    first = await keeping.decide(picture("r1"))
    repeat = await keeping.decide(picture("r1"))
    assert repeat.replayed
    assert repeat.decision_id == first.decision_id
    assert not repeat.degraded
    assert len(keeping.audit.evidence.kept) == 1


async def test_a_tenant_has_half_of_the_room_for_files_on_their_way(start_fake_mesh: StartFakeMesh) -> None:
    mesh = await start_fake_mesh(evidence_max_bytes=16 * 1024 * 1024, evidence_max_batch=1)
    mesh.routing.evidence_parts = [0]
    mesh.audit.evidence.gate.clear()
    waiting = [asyncio.create_task(mesh.decide(picture(f"r{number}", b"x" * LARGEST))) for number in range(2)]
    await until(lambda: len(mesh.audit.evidence.asked) == 2)
    refused = await mesh.decide(picture("r3", b"x" * LARGEST))
    assert list(refused.degraded) == [MISSING]
    other = asyncio.create_task(mesh.decide(picture("r4", b"x" * LARGEST), tenant="greedy"))
    mesh.audit.evidence.gate.set()
    assert [list((await one).degraded) for one in (*waiting, other)] == [[], [], []]
    assert not (await mesh.decide(picture("r5", b"x" * LARGEST))).degraded
