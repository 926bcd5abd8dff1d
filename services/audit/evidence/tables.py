"""The tables of evidence, and their rows as messages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from moat.audit.v1 import decision_record_pb2, evidence_pb2
from sqlalchemy import BigInteger, Column, DateTime, Integer, LargeBinary, MetaData, Table, Text, Uuid

_METADATA = MetaData(schema="audit")


def _own() -> Sequence[Column[Any]]:
    return (
        Column("tenant", Text),
        Column("environment", Text),
        Column("evidence_id", Uuid(as_uuid=False)),
        Column("decision_id", Uuid(as_uuid=False)),
    )


EVIDENCE = Table(
    "evidence",
    _METADATA,
    *_own(),
    Column("part", Integer),
    Column("kind", Text),
    Column("sha256", LargeBinary),
    Column("size", BigInteger),
    Column("key_id", Uuid(as_uuid=False)),
    Column("delete_time", DateTime(timezone=True)),
    Column("state", Text),
    Column("keep_time", DateTime(timezone=True)),
    Column("gone_time", DateTime(timezone=True)),
)
HOLDS = Table(
    "evidence_holds",
    _METADATA,
    Column("hold_id", Uuid(as_uuid=False)),
    *_own(),
    Column("held_by", Text),
    Column("reason", Text),
    Column("hold_time", DateTime(timezone=True)),
    Column("released_by", Text),
    Column("release_reason", Text),
    Column("release_time", DateTime(timezone=True)),
)
READINGS = Table(
    "evidence_readings",
    _METADATA,
    Column("reading_id", Uuid(as_uuid=False)),
    *_own(),
    Column("reader", Text),
    Column("reason", Text),
    Column("read_time", DateTime(timezone=True)),
)


def file_of(row: Any) -> decision_record_pb2.EvidenceFile:  # noqa: ANN401 - SQLAlchemy's row types
    """As a record names it."""
    return decision_record_pb2.EvidenceFile(
        evidence_id=row.evidence_id,
        part=row.part,
        kind=row.kind,
        sha256=row.sha256,
        size=row.size,
        key_id=row.key_id,
        delete_time=timestamp(row.delete_time),
    )


def hold_of(row: Any) -> evidence_pb2.EvidenceHold:  # noqa: ANN401
    """A row of HOLDS."""
    hold = evidence_pb2.EvidenceHold(
        hold_id=row.hold_id,
        evidence_id=row.evidence_id,
        held_by=row.held_by,
        reason=row.reason,
        hold_time=timestamp(row.hold_time),
        released_by=row.released_by,
        release_reason=row.release_reason,
    )
    if row.release_time is not None:
        hold.release_time.CopyFrom(timestamp(row.release_time))
    return hold


def reading_of(row: Any) -> evidence_pb2.EvidenceReading:  # noqa: ANN401
    """A row of READINGS."""
    return evidence_pb2.EvidenceReading(
        reading_id=row.reading_id,
        evidence_id=row.evidence_id,
        decision_id=row.decision_id,
        reader=row.reader,
        reason=row.reason,
        read_time=timestamp(row.read_time),
    )


def timestamp(moment: datetime) -> Timestamp:
    """`moment` has a zone."""
    made = Timestamp()
    made.FromDatetime(moment)
    return made
