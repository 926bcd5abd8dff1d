"""Entries of the log as rows of the record. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any

from google.protobuf.message import DecodeError
from moat.audit.v1 import decision_record_pb2
from moat.routing.v1 import verdict_pb2

from services.audit.log.keys import DUPLICATE_OF, RECORD
from services.runtime.ids import is_uuid

DECISION_COLUMNS = {
    "tenant": "text", "environment": "text", "decision_id": "uuid", "request_id": "text", "user_id": "text",
    "channel_id": "text", "surface": "text", "outcome": "text", "category": "text", "severity": "smallint",
    "policy_hash": "text", "degraded": "text", "duplicate_of": "text", "decide_time": "timestamptz", "record": "bytea",
}  # fmt: skip
"""Column and type, in the order of a row. `degraded` travels as one text joined by newlines: unnest flattens arrays."""
NAMED_COLUMNS = {"tenant": "text", "environment": "text", "evidence_id": "uuid", "decision_id": "uuid"}
KEY_COLUMNS = {"tenant": "text", "environment": "text", "key_id": "uuid", "user_id": "text", "wrapped_key": "bytea"}
KeyRow = tuple[str, str, str, str, bytes]
_MOST_SEVERE = 32_767
"""What the column can hold."""
_OUTCOMES = {number: name.removeprefix("OUTCOME_") for name, number in verdict_pb2.Outcome.items()}


@dataclass(slots=True)
class Rows:
    """What a batch comes to."""

    decisions: list[tuple[Any, ...]] = field(default_factory=list)
    keys: dict[tuple[str, str, str], KeyRow] = field(default_factory=dict)
    named: list[tuple[str, str, str, str]] = field(default_factory=list)
    """Files that the decisions name: retention must know that somebody does."""
    poison: list[int] = field(default_factory=list)
    """Positions of the entries that are no decisions."""

    @property
    def tenants(self) -> set[str]:
        """Whose rows these are."""
        return {row[0] for row in self.decisions}


def rows_of(entries: list[dict[bytes, bytes]]) -> Rows:
    """What is no decision is poison: its position is noted, and it stops nobody."""
    rows = Rows()
    for position, entry in enumerate(entries):
        try:
            record = decision_record_pb2.DecisionRecord.FromString(entry[RECORD])
            _add(rows, record, entry.get(DUPLICATE_OF, b"").decode())
        except (DecodeError, KeyError, ValueError, OverflowError, AttributeError):
            rows.poison.append(position)
    return rows


def _add(rows: Rows, record: decision_record_pb2.DecisionRecord, duplicate_of: str) -> None:
    """Raises ValueError for what the database would refuse: it would refuse the whole batch, for ever."""
    owner = (record.tenant, record.environment)
    _require(all(owner), "a record names its tenant and environment")
    _require("," not in record.tenant, "a tenant's name has no comma")
    _require(is_uuid(record.decision_id), "a decision's id is a UUID")
    _require(all(is_uuid(file.evidence_id) for file in record.evidence), "a file's id is a UUID")
    keys = list(_take_keys(record))
    if duplicate_of:
        record.duplicate_of = duplicate_of
    row = (*owner, record.decision_id, *_facts(record, duplicate_of), record.SerializeToString())
    _require(not any("\0" in value for value in row if isinstance(value, str)), "a text has no NUL character")
    rows.keys.update({key[:3]: key for key in keys})
    rows.named += [(*owner, file.evidence_id, record.decision_id) for file in record.evidence]
    rows.decisions.append(row)


def _take_keys(record: decision_record_pb2.DecisionRecord) -> Iterator[KeyRow]:
    """They leave the record for a table of their own, where erasure can destroy them."""
    for sealed in (record.sealed_content, record.sealed_words):
        if sealed.key_id:
            _require(is_uuid(sealed.key_id), "a key's id is a UUID")
            yield record.tenant, record.environment, sealed.key_id, record.user_id, sealed.wrapped_key
            sealed.ClearField("wrapped_key")


def _facts(record: decision_record_pb2.DecisionRecord, duplicate_of: str) -> tuple[Any, ...]:
    verdict = record.verdict
    _require(verdict.severity <= _MOST_SEVERE, "a severity is a small number")
    return (
        record.request_id,
        record.user_id,
        record.channel_id,
        record.surface,
        _OUTCOMES[verdict.outcome],
        verdict.category,
        verdict.severity,
        verdict.policy.content_hash,
        "\n".join(record.degraded),
        duplicate_of,
        record.decide_time.ToDatetime(UTC),
    )


def _require(holds: bool, what: str) -> None:  # noqa: FBT001 - it is what the function is about
    if not holds:
        raise ValueError(what)
