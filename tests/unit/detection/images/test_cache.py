"""What was found of a picture is used again for the same and the alike, for a while, and by its tenant alone."""

from __future__ import annotations

from services.detection.images.cache import JudgementCache, Known
from services.detection.images.pdq import Pdq

OURS, THEIRS = ("demo", "production"), ("arena", "production")


def known(
    hashed: int = 0, *, quality: int = 100, until: float = 100.0, probability: float = 0.5, like: int | None = None
) -> Known:
    looked_at = hashed if like is None else like
    return Known(Pdq(hashed.to_bytes(32), quality), 10, 10, "png", probability, until, looked_at.to_bytes(32))


def cache(pictures: int = 4, owners: int = 2, seconds: float = 60) -> JudgementCache:
    return JudgementCache(pictures=pictures, owners=owners, seconds=seconds)


def test_the_same_bytes_are_known() -> None:
    one = cache()
    one.keep(OURS, b"a", known())
    assert one.exact(OURS, b"a", 0.0) == known()
    assert one.exact(OURS, b"b", 0.0) is None


def test_what_looks_the_same_is_known() -> None:
    one = cache()
    one.keep(OURS, b"a", known(0))
    one.keep(OURS, b"b", known((1 << 4) - 1, probability=0.9))
    assert one.near(OURS, Pdq(((1 << 5) - 1).to_bytes(32), 100), 0.0) == known((1 << 4) - 1, probability=0.9)
    assert one.near(OURS, Pdq(((1 << 10) - 1 << 200).to_bytes(32), 100), 0.0) == known(0)
    assert one.near(OURS, Pdq(((1 << 11) - 1 << 200).to_bytes(32), 100), 0.0) is None


def test_a_chain_of_likenesses_leads_nowhere() -> None:
    one = cache()
    one.keep(OURS, b"a", known(0))
    one.keep(OURS, b"b", known((1 << 10) - 1, like=0))
    assert one.near(OURS, Pdq(((1 << 12) - 1).to_bytes(32), 100), 0.0) is None


def test_hashes_of_poor_quality_tell_nothing() -> None:
    one = cache()
    one.keep(OURS, b"a", known(quality=49))
    assert one.near(OURS, Pdq(bytes(32), 100), 0.0) is None
    one.keep(OURS, b"b", known())
    assert one.near(OURS, Pdq(bytes(32), 49), 0.0) is None
    assert one.exact(OURS, b"a", 0.0) is not None


def test_it_is_a_tenants_own() -> None:
    one = cache()
    one.keep(OURS, b"a", known())
    for owner in (THEIRS, ("demo", "staging")):
        assert one.exact(owner, b"a", 0.0) is None
        assert one.near(owner, Pdq(bytes(32), 100), 0.0) is None


def test_what_is_old_is_looked_at_again() -> None:
    one = cache()
    one.keep(OURS, b"a", known(until=5.0))
    assert one.exact(OURS, b"a", 4.9) is not None
    assert one.exact(OURS, b"a", 5.0) is None
    assert one.near(OURS, Pdq(bytes(32), 100), 5.0) is None


def test_what_was_not_asked_for_lately_makes_room() -> None:
    one = cache(pictures=2)
    one.keep(OURS, b"a", known(1 << 100))
    one.keep(OURS, b"b", known(1 << 101))
    one.exact(OURS, b"a", 0.0)
    one.keep(OURS, b"c", known((1 << 200) - 1))
    assert one.exact(OURS, b"b", 0.0) is None
    assert one.exact(OURS, b"a", 0.0) is not None
    assert one.near(OURS, Pdq(((1 << 200) - 1).to_bytes(32), 100), 0.0) == known((1 << 200) - 1)


def test_tenants_make_room_too() -> None:
    one = cache(owners=1)
    one.keep(OURS, b"a", known())
    one.keep(THEIRS, b"a", known())
    assert one.exact(OURS, b"a", 0.0) is None


def test_it_can_be_turned_off() -> None:
    one = cache(seconds=0)
    one.keep(OURS, b"a", known())
    assert one.exact(OURS, b"a", 0.0) is None
