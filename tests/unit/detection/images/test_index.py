"""The index finds exactly what comparing with every entry finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.detection.images.banks.index import HashIndex

RANDOM = np.random.default_rng(20261)


def flipped(one: bytes, bits: list[int]) -> bytes:
    number = int.from_bytes(one)
    for bit in bits:
        number ^= 1 << bit
    return number.to_bytes(32)


def by_comparing(hashes: NDArray[np.uint8], query: bytes, distance: int) -> list[tuple[int, int]]:
    differ = np.bitwise_count(hashes ^ np.frombuffer(query, np.uint8)).sum(axis=1, dtype=np.int64)
    return sorted((int(differ[entry]), int(entry)) for entry in np.flatnonzero(differ <= distance))


def by_index(index: HashIndex, query: bytes, distance: int) -> list[tuple[int, int]]:
    found = index.within(query, distance)
    return list(zip(map(int, found.distances), map(int, found.entries), strict=True))


@settings(max_examples=150, deadline=None)
@given(
    seed=st.binary(min_size=32, max_size=32),
    flips=st.lists(st.lists(st.integers(0, 255), max_size=40, unique=True), max_size=40),
    asked=st.lists(st.integers(0, 255), max_size=20, unique=True),
    distance=st.integers(0, 31),
)
def test_everything_in_reach_is_found_and_nothing_else(
    seed: bytes, flips: list[list[int]], asked: list[int], distance: int
) -> None:
    noise = RANDOM.integers(0, 256, (50, 32), dtype=np.uint8)
    near = [np.frombuffer(flipped(seed, bits), np.uint8) for bits in flips]
    hashes = np.vstack([*near, noise])
    query = flipped(seed, asked)
    assert by_index(HashIndex(hashes), query, distance) == by_comparing(hashes, query, distance)


def test_among_many_random_hashes_each_changed_copy_is_found() -> None:
    hashes = RANDOM.integers(0, 256, (50_000, 32), dtype=np.uint8)
    index = HashIndex(hashes)
    for entry in range(200):
        bits = [int(bit) for bit in RANDOM.choice(256, entry % 32, replace=False)]
        query = flipped(hashes[entry].tobytes(), bits)
        assert by_index(index, query, 31) == by_comparing(hashes, query, 31)
        assert (len(bits), entry) in by_index(index, query, 31)


def test_thirty_one_bits_spread_as_evenly_as_can_be_are_within_reach_and_thirty_two_are_not() -> None:
    base = bytes(32)
    spread = [piece * 16 + place for place in range(2) for piece in range(16)]
    index = HashIndex(np.frombuffer(flipped(base, spread[:31]) + flipped(base, spread), np.uint8).reshape(-1, 32))
    assert by_index(index, base, 31) == [(31, 0)]


def test_an_index_of_nothing_finds_nothing() -> None:
    assert by_index(HashIndex(np.empty((0, 32), np.uint8)), bytes(32), 31) == []


def test_more_than_it_can_answer_exactly_is_refused() -> None:
    with pytest.raises(ValueError, match="31"):
        HashIndex(np.empty((0, 32), np.uint8)).within(bytes(32), 32)
