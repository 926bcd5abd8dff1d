"""All banks together, ready to be asked: one index, and whose each entry is."""

from __future__ import annotations

import hashlib
import math
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from moat.detection.v1 import signals_pb2

from services.detection.images.banks.entries import Entry
from services.detection.images.banks.folder import Bank, banks_in
from services.detection.images.banks.index import HASH_BYTES, HashIndex
from services.detection.images.pdq import GOOD_QUALITY, Pdq

MOST_MATCHES = 16
_PARTS = 10_000
"""A percentage is told in hundredths of a percent."""


class Asker(NamedTuple):
    """About whose item the banks are asked."""

    tenant: str
    environment: str
    item_id: str
    """What stays the same when it is asked again."""


class Banks:
    """Does not change once it is made."""

    def __init__(self, banks: Sequence[tuple[str, Bank]], columns: _Columns, version: str) -> None:
        """`columns`: the entries of all banks, each with its bank's position in `banks`. See `load`."""
        self.version = version
        self._banks = banks
        self._columns = columns
        hashes = np.frombuffer(columns.hashes, dtype=np.uint8).reshape(-1, HASH_BYTES)
        self._index = HashIndex(hashes)

    def __len__(self) -> int:
        """How many entries there are, without those of banks that are off."""
        return len(self._index)

    @classmethod
    def load(cls, folders: Sequence[Path]) -> Banks:
        """All banks that are on. Raises BadBank, which names each mistake."""
        files = banks_in(folders)
        banks = [(one.name, one.about()) for one in files]
        columns = _Columns()
        digest = hashlib.sha256()
        for position, (one, (name, about)) in enumerate(zip(files, banks, strict=True)):
            digest.update(name.encode() + b"\0" + one.digest())
            if about.on:
                for entry in one.entries():
                    columns.add(position, entry, negative=about.negative or entry.negative)
        return cls(banks, columns, digest.hexdigest()[:12])

    def matches(self, pdq: Pdq, asker: Asker, *, now: float) -> list[signals_pb2.HashMatch]:
        """The entries within reach that the asker may see, nearest first: at most 16, and of each category at least the nearest.
        `now` in seconds since the Unix epoch. A hash of poor quality matches nothing."""
        if pdq.quality < GOOD_QUALITY or not len(self):
            return []
        asked: dict[int, bool] = {}
        found = []
        for number, distance in zip(*map(np.ndarray.tolist, self._index.within(pdq.hash)), strict=True):
            position = self._columns.banks[number]
            if position not in asked:
                asked[position] = _is_asked(self._banks[position], asker)
            in_reach = distance <= self._banks[position][1].distance and self._columns.expires[number] > now
            if asked[position] and in_reach:
                found.append(self._match(number, distance))
        _cancel(found)
        return _best(found)

    def _match(self, number: int, distance: int) -> signals_pb2.HashMatch:
        columns = self._columns
        return signals_pb2.HashMatch(
            bank=self._banks[columns.banks[number]][0],
            entry_id=columns.entry_id(number),
            distance=distance,
            category=columns.categories[columns.category[number]],
            negative=bool(columns.negative[number]),
        )


class _Columns:
    """Entries in few large pieces: a million of them as objects would take ten times as much."""

    def __init__(self) -> None:
        self.hashes = bytearray()
        self.banks = array("H")
        self.category = array("H")
        self.categories: list[str] = []
        self.expires = array("d")
        self.negative = array("B")
        self._ids = bytearray()
        self._id_ends = array("I", (0,))
        self._codes: dict[str, int] = {}

    def add(self, bank: int, entry: Entry, *, negative: bool) -> None:
        code = self._codes.get(entry.category)
        if code is None:
            code = self._codes[entry.category] = len(self.categories)
            self.categories.append(entry.category)
        self.hashes += entry.pdq
        self.banks.append(bank)
        self.category.append(code)
        self.expires.append(math.inf if entry.expires is None else entry.expires)
        self.negative.append(negative)
        self._ids += entry.id.encode()
        self._id_ends.append(len(self._ids))

    def entry_id(self, number: int) -> str:
        return self._ids[self._id_ends[number] : self._id_ends[number + 1]].decode()


def _is_asked(bank: tuple[str, Bank], asker: Asker) -> bool:
    name, about = bank
    if about.tenant not in ("", asker.tenant):
        return False
    if about.percent >= 100:  # noqa: PLR2004 - percent
        return True
    of_what = f"{about.seed}\0{name}\0{asker.tenant}\0{asker.environment}\0{asker.item_id}"
    lot = int.from_bytes(hashlib.blake2b(of_what.encode(), digest_size=8).digest()) % _PARTS
    return lot < about.percent * _PARTS / 100


def _cancel(found: Sequence[signals_pb2.HashMatch]) -> None:
    """What a negative entry within reach speaks against does not count."""
    against = {match.category for match in found if match.negative}
    for match in found:
        match.cancelled = not match.negative and ("" in against or match.category in against)


def _best(found: Sequence[signals_pb2.HashMatch]) -> list[signals_pb2.HashMatch]:
    if len(found) <= MOST_MATCHES:
        return list(found)
    first: dict[tuple[str, bool], int] = {}
    for position, match in enumerate(found):
        first.setdefault((match.category, match.negative), position)
    kept = set(first.values())
    for position in range(len(found)):
        if len(kept) >= MOST_MATCHES:
            break
        kept.add(position)
    return [found[position] for position in sorted(kept)]
