"""The spool's file: bounded, in order, and synced at every commit."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.spool_file import Spooled, SpoolFile, SpoolFull

if TYPE_CHECKING:
    from collections.abc import Iterator


def entry(number: int, size: int = 10) -> Spooled:
    return Spooled(f"d{number}", "demo", "production", f"r{number}", b"x" * 32, b"i" * size)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[SpoolFile]:
    spool = SpoolFile(tmp_path / "spool.sqlite", max_records=5, max_bytes=1000)
    yield spool
    spool.close()


def test_every_commit_is_synced(file: SpoolFile) -> None:
    assert file._db.execute("pragma synchronous").fetchone() == (2,), "FULL"
    assert file._db.execute("pragma journal_mode").fetchone() == ("wal",)


def test_the_oldest_come_first(file: SpoolFile) -> None:
    file.append([entry(1), entry(2)])
    file.append([entry(3)])
    assert [one.decision_id for one in file.oldest(2)] == ["d1", "d2"]


def test_what_is_forgotten_makes_room(file: SpoolFile) -> None:
    file.append([entry(number) for number in range(5)])
    with pytest.raises(SpoolFull):
        file.append([entry(9)])
    file.forget(file.oldest(2))
    file.append([entry(9)])
    assert [one.decision_id for one in file.oldest(9)] == ["d2", "d3", "d4", "d9"]


def test_bytes_are_bounded_too(file: SpoolFile) -> None:
    with pytest.raises(SpoolFull):
        file.append([entry(1, 1001)])


def test_a_group_is_kept_whole_or_not_at_all(file: SpoolFile) -> None:
    file.append([entry(1)])
    with pytest.raises(sqlite3.IntegrityError):
        file.append([entry(2), entry(1)])
    assert [one.decision_id for one in file.oldest(9)] == ["d1"]


def test_parked_entries_are_kept_and_passed_over(file: SpoolFile) -> None:
    file.append([entry(1), entry(2)])
    file.park([entry(1)])
    assert [one.decision_id for one in file.oldest(9)] == ["d2"]
    assert file.find("d1") == entry(1)
    assert len(list(file.all())) == 2


def test_what_an_earlier_process_left_counts(tmp_path: Path, file: SpoolFile) -> None:
    file.append([entry(1), entry(2)])
    file.close()
    again = SpoolFile(tmp_path / "spool.sqlite", max_records=2, max_bytes=1000)
    assert again.records == 2
    with pytest.raises(SpoolFull):
        again.append([entry(3)])
    again.close()


def test_a_file_that_is_no_spool_is_not_kept_open(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite"
    path.write_bytes(b"this is no database" * 100)
    # Bound to a name, the error keeps every object on its way alive: only closing closes the file.
    with pytest.raises(sqlite3.DatabaseError) as _kept:
        SpoolFile(path, max_records=5, max_bytes=1000)
    assert path.resolve() not in {descriptor.resolve() for descriptor in Path("/proc/self/fd").iterdir()}
