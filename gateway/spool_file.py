"""The spool on disk: one SQLite file, synced at every commit. Blocking; used from one thread only."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_SCHEMA = """
create table if not exists spooled (
    position integer primary key,
    decision_id text not null unique,
    tenant text not null,
    environment text not null,
    request_id text not null,
    content_digest blob not null,
    item blob not null,
    parked integer not null default 0
)
"""
_JOURNAL_BYTES = 16 * 1024 * 1024


class Spooled(NamedTuple):
    """One decision that the log does not have yet."""

    decision_id: str
    tenant: str
    environment: str
    request_id: str
    content_digest: bytes
    item: bytes
    """A serialised moat.audit.v1.AppendItem."""


class SpoolFull(Exception):
    """The spool holds as much as it may; nothing was written."""


class SpoolFile:
    """Opens or makes the file. Every method may raise sqlite3.Error: a full disk, a broken file."""

    def __init__(self, path: Path, *, max_records: int, max_bytes: int) -> None:
        """What an earlier process left in the file counts against the bounds."""
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            left = self._prepare()
        except BaseException:
            # A broken file is tried again and again; each try must not leave one open.
            self._db.close()
            raise
        self.records, self._bytes = left

    def _prepare(self) -> tuple[int, int]:
        self._db.execute("pragma journal_mode = wal")
        # WAL's usual NORMAL syncs at checkpoints only; FULL syncs each commit, and a spooled decision is answered.
        self._db.execute("pragma synchronous = full")
        self._db.execute(f"pragma journal_size_limit = {_JOURNAL_BYTES}")
        self._db.execute(_SCHEMA)
        left: tuple[int, int] = self._db.execute(
            "select count(*), coalesce(sum(length(item)), 0) from spooled"
        ).fetchone()
        return left

    def close(self) -> None:
        """Ends the use of the file."""
        self._db.close()

    def append(self, entries: Sequence[Spooled]) -> None:
        """Durable when it returns; all or none. Raises SpoolFull."""
        size = sum(len(entry.item) for entry in entries)
        if self.records + len(entries) > self._max_records or self._bytes + size > self._max_bytes:
            raise SpoolFull
        insert = (
            "insert into spooled (decision_id, tenant, environment, request_id, content_digest, item)"
            " values (?, ?, ?, ?, ?, ?)"
        )
        self._in_transaction(insert, entries)
        self.records += len(entries)
        self._bytes += size

    def oldest(self, limit: int) -> list[Spooled]:
        """Those to move next, in the order in which they came."""
        return self._read("where not parked order by position limit ?", limit)

    def find(self, decision_id: str) -> Spooled | None:
        """One by its id."""
        return next(iter(self._read("where decision_id = ?", decision_id)), None)

    def all(self) -> Iterator[tuple[str, str, str, str, bytes]]:
        """Decision id, tenant, environment, request id and digest of each."""
        yield from self._db.execute("select decision_id, tenant, environment, request_id, content_digest from spooled")

    def forget(self, entries: Sequence[Spooled]) -> None:
        """The log has them."""
        self._in_transaction("delete from spooled where decision_id = ?", [(entry.decision_id,) for entry in entries])
        self.records -= len(entries)
        self._bytes -= sum(len(entry.item) for entry in entries)

    def park(self, entries: Sequence[Spooled]) -> None:
        """The log will never take them: keeps them for a person, out of the way of the others."""
        self._in_transaction("update spooled set parked = 1 where decision_id = ?", [(e.decision_id,) for e in entries])

    def _read(self, where: str, argument: object) -> list[Spooled]:
        columns = ", ".join(Spooled._fields)
        return [Spooled(*row) for row in self._db.execute(f"select {columns} from spooled {where}", (argument,))]  # noqa: S608 - constants only

    def _in_transaction(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        self._db.execute("begin immediate")
        try:
            self._db.executemany(statement, rows)
            self._db.execute("commit")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("rollback")
            raise
