"""The ids of kept files."""

from __future__ import annotations

import uuid

from gateway.evidence import evidence_id
from services.runtime.ids import is_uuid, new_id


def test_the_same_part_of_the_same_decision_has_the_same_id() -> None:
    decision = new_id()
    assert evidence_id(decision, 1) == evidence_id(decision, 1)


def test_other_parts_and_other_decisions_have_other_ids() -> None:
    one, other = new_id(), new_id()
    made = {evidence_id(decision, part) for decision in (one, other) for part in range(8)} | {one, other}
    assert len(made) == 18


def test_an_id_is_a_uuid_of_version_7_with_its_decisions_time() -> None:
    decision = new_id()
    made = uuid.UUID(evidence_id(decision, 0))
    assert is_uuid(str(made))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.bytes[:6] == uuid.UUID(decision).bytes[:6]
