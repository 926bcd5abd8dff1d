"""Entries of the log as rows of the record. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC
from typing import Any

from google.protobuf.message import DecodeError
from moat.audit.v1 import decision_record_pb2
from moat.routing.v1 import verdict_pb2

from services.audit.log.keys import DUPLICATE_OF, RECORD

DECISION_COLUMNS = {
    "tenant": "text", "environment": "text", "decision_id": "uuid", "request_id": "text", "user_id": "text",
    "channel_id": "text", "surface": "text", "outcome": "text", "category": "text", "severity": "smallint",
    "policy_hash": "text", "degraded": "text", "duplicate_of": "text", "decide_time": "timestamptz", "record": "bytea",
}  # fmt: skip
"""Column and type, in the order of a row. `degraded` travels as one text joined by newlines: unnest flattens arrays."""
KEY_COLUMNS = {"tenant": "text", "environment": "text", "key_id": "uuid", "user_id": "text", "wrapped_key": "bytea"}
_OUTCOMES = {number: name.removeprefix("OUTCOME_") for name, number in verdict_pb2.Outcome.items()}


@dataclass(slots=True)
class Rows:
    """What a batch comes to."""

    decisions: list[tuple[Any, ...]] = field(default_factory=list)
    keys: dict[tuple[str, str, str], tuple[Any, ...]] = field(default_factory=dict)
    poison: list[int] = field(default_factory=list)
    """Positions of the entries that are no decisions."""

    @property
    def tenants(self) -> set[str]:
        """Whose rows these are."""
        return {row[0] for row in self.decisions}


def rows_of(entries: list[dict[bytes, bytes]]) -> Rows:
    """The wrapped key leaves the record for a table of its own, where erasure can destroy it."""
    rows = Rows()
    for position, entry in enumerate(entries):
        try:
            record = decision_record_pb2.DecisionRecord.FromString(entry[RECORD])
            _add(rows, record, entry.get(DUPLICATE_OF, b"").decode())
        except (DecodeError, KeyError, ValueError, AttributeError):
            rows.poison.append(position)
    return rows


def _add(rows: Rows, record: decision_record_pb2.DecisionRecord, duplicate_of: str) -> None:
    if not (record.tenant and record.environment and len(record.decision_id) == 36):  # noqa: PLR2004 - a UUID's text
        message = "a record names its tenant, environment and id"
        raise ValueError(message)
    for sealed in (record.sealed_content, record.sealed_words):
        if sealed.key_id:
            key = (record.tenant, record.environment, sealed.key_id)
            rows.keys[key] = (*key, record.user_id, sealed.wrapped_key)
            sealed.ClearField("wrapped_key")
    if duplicate_of:
        record.duplicate_of = duplicate_of
    verdict = record.verdict
    rows.decisions.append(
        (
            record.tenant,
            record.environment,
            record.decision_id,
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
            record.SerializeToString(),
        )
    )
