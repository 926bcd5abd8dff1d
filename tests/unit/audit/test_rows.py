"""What the drain makes of the log's entries: rows, or poison that stops nobody."""

from __future__ import annotations

import uuid

import pytest
from moat.audit.v1 import decision_record_pb2

from services.audit.drain.rows import rows_of
from services.audit.log.keys import RECORD

ID = str(uuid.uuid4())


def record(**changed: object) -> decision_record_pb2.DecisionRecord:
    fields = {"decision_id": ID, "tenant": "demo", "environment": "production", "request_id": "r-1", "user_id": "u-1"}
    return decision_record_pb2.DecisionRecord(**(fields | changed))  # type: ignore[arg-type]


def entry(one: decision_record_pb2.DecisionRecord) -> dict[bytes, bytes]:
    return {RECORD: one.SerializeToString()}


def sealed(key_id: str) -> decision_record_pb2.SealedContent:
    return decision_record_pb2.SealedContent(key_id=key_id, wrapped_key=b"wrapped", ciphertext=b"sealed")


POISON = {
    "an id that is no UUID": record(decision_id="x" * 36),
    "an id with dashes only": record(decision_id="-" * 36),
    "no id": record(decision_id=""),
    "no tenant": record(tenant=""),
    "a tenant with a comma": record(tenant="demo,arena"),
    "no environment": record(environment=""),
    "a key that is no UUID": record(sealed_content=sealed("the key")),
    "a key of words that is no UUID": record(sealed_words=sealed("the key")),
    "evidence that is no UUID": record(evidence=[decision_record_pb2.EvidenceFile(evidence_id="the file")]),
    "a NUL character": record(user_id="a\0b"),
    "a NUL character in a degradation": record(degraded=["a\0b"]),
    "a severity that no column holds": record(verdict={"severity": 40_000}),
    "a time that no calendar has": record(decide_time={"seconds": 10**17}),
    "an outcome that nobody knows": record(verdict={"outcome": 99}),
}


@pytest.mark.parametrize("what", POISON)
def test_a_record_that_no_database_takes_is_poison_and_stops_nobody(what: str) -> None:
    good = record(decision_id=str(uuid.uuid4()))
    rows = rows_of([entry(good), entry(POISON[what]), entry(good)])
    assert rows.poison == [1]
    assert [row[2] for row in rows.decisions] == [good.decision_id] * 2


def test_poison_leaves_no_key_and_no_name_behind() -> None:
    files = [decision_record_pb2.EvidenceFile(evidence_id=str(uuid.uuid4()))]
    rows = rows_of([entry(record(user_id="a\0b", sealed_content=sealed(str(uuid.uuid4())), evidence=files))])
    assert not rows.keys
    assert not rows.named


def test_bytes_that_are_no_record_are_poison() -> None:
    rows = rows_of([{RECORD: b"\xff\xff"}, {}, {RECORD: record().SerializeToString()}])
    assert rows.poison == [0, 1]
    assert len(rows.decisions) == 1


def test_every_wrapped_key_leaves_the_record_for_the_table_of_keys() -> None:
    one, other = str(uuid.uuid4()), str(uuid.uuid4())
    rows = rows_of([entry(record(sealed_content=sealed(one), sealed_words=sealed(other)))])
    assert rows.keys == {
        ("demo", "production", key): ("demo", "production", key, "u-1", b"wrapped") for key in (one, other)
    }
    kept = decision_record_pb2.DecisionRecord.FromString(rows.decisions[0][-1])
    assert (kept.sealed_content.wrapped_key, kept.sealed_words.wrapped_key) == (b"", b"")
    assert (kept.sealed_content.ciphertext, kept.sealed_words.ciphertext) == (b"sealed", b"sealed")


def test_a_record_without_content_has_no_key() -> None:
    rows = rows_of([entry(record())])
    assert not rows.keys
    assert not decision_record_pb2.DecisionRecord.FromString(rows.decisions[0][-1]).HasField("sealed_content")


def test_files_that_a_record_names_are_told_to_retention() -> None:
    files = [decision_record_pb2.EvidenceFile(evidence_id=str(uuid.uuid4()), part=part) for part in (0, 2)]
    rows = rows_of([entry(record(evidence=files))])
    assert rows.named == [("demo", "production", file.evidence_id, ID) for file in files]
