"""Writes a batch in one transaction. A row that is there already stays as it is: that is what makes it exactly once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.audit.drain.rows import DECISION_COLUMNS, KEY_COLUMNS, NAMED_COLUMNS, Rows
from services.runtime.postgres import as_tenants


def _insert(table: str, columns: Mapping[str, str]) -> str:
    arrays = ", ".join(f"cast(:{name} as {kind}[])" for name, kind in columns.items())
    chosen = ", ".join(
        "case when degraded = '' then '{}' else string_to_array(degraded, chr(10)) end" if name == "degraded" else name
        for name in columns
    )
    names = ", ".join(columns)
    # No conflict target: naming one would need the right to read, and the drain may only add.
    return f"insert into audit.{table} ({names}) select {chosen} from unnest({arrays}) as row({names}) on conflict do nothing"  # noqa: S608 - names of ours


_DECISIONS = text(_insert("decisions", DECISION_COLUMNS))
_KEYS = text(_insert("subject_keys", KEY_COLUMNS))
_NAMED = text(_insert("evidence_named", NAMED_COLUMNS))
_QUARANTINE = text(
    "insert into audit.quarantine (stream, entry_id, entry) values (:stream, :entry_id, :entry) on conflict do nothing"
)


class Sink:
    """The record's writing end."""

    def __init__(self, pool: AsyncEngine) -> None:
        """`pool` signs in as the drain's own role."""
        self._pool = pool

    async def write(self, rows: Rows) -> None:
        """All or nothing. Raises SQLAlchemy's errors."""
        if not rows.decisions:
            return
        async with as_tenants(self._pool, sorted(rows.tenants)) as connection:
            if rows.keys:
                await connection.execute(_KEYS, _columns(KEY_COLUMNS, list(rows.keys.values())))
            if rows.named:
                await connection.execute(_NAMED, _columns(NAMED_COLUMNS, rows.named))
            await connection.execute(_DECISIONS, _columns(DECISION_COLUMNS, rows.decisions))

    async def quarantine(self, stream: str, entry_id: str, entry: bytes) -> None:
        """Keeps what is no decision, so that it can be looked at and blocks nobody."""
        async with self._pool.begin() as connection:
            await connection.execute(_QUARANTINE, {"stream": stream, "entry_id": entry_id, "entry": entry})


def _columns(columns: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> dict[str, list[Any]]:
    return {name: list(values) for name, values in zip(columns, zip(*rows, strict=True), strict=True)}
