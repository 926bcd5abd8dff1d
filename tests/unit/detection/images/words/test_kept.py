from __future__ import annotations

from services.detection.images.words.kept import KeptWords
from services.detection.images.words.lines import Found

ONE, OTHER = ("one", "production"), ("other", "production")


def kept(code_points: int = 10_000, owners: int = 8, seconds: float = 60) -> KeptWords:
    return KeptWords(code_points=code_points, owners=owners, seconds=seconds)


def test_the_same_bytes_say_the_same_for_their_tenant_alone() -> None:
    words = kept()
    words.keep(ONE, b"a", Found("go away"), now=0)
    found = words.find(ONE, b"a", now=1)
    assert found is not None
    assert found.text == "go away"
    assert words.find(OTHER, b"a", now=1) is None
    assert words.find(("one", "staging"), b"a", now=1) is None


def test_a_picture_without_words_is_kept_in_mind_too() -> None:
    words = kept()
    words.keep(ONE, b"a", Found(), now=0)
    assert words.find(ONE, b"a", now=1) == Found()


def test_what_was_not_read_to_the_end_is_read_again() -> None:
    words = kept()
    words.keep(ONE, b"a", Found("go", whole=False), now=0)
    assert words.find(ONE, b"a", now=1) is None


def test_words_are_forgotten_in_time() -> None:
    words = kept(seconds=60)
    words.keep(ONE, b"a", Found("go"), now=0)
    assert words.find(ONE, b"a", now=60) is None


def test_a_tenant_pushes_out_its_own_oldest_only() -> None:
    words = kept(code_points=300)
    words.keep(OTHER, b"z", Found("stays"), now=0)
    for name in (b"a", b"b", b"c"):
        words.keep(ONE, name, Found("x" * 60), now=0)
    assert words.find(ONE, b"a", now=1) is None
    assert words.find(ONE, b"c", now=1) is not None
    assert words.find(OTHER, b"z", now=1) is not None


def test_words_longer_than_the_bound_are_not_kept() -> None:
    words = kept(code_points=100)
    words.keep(ONE, b"a", Found("x" * 500), now=0)
    words.keep(ONE, b"b", Found(), now=0)
    assert words.find(ONE, b"a", now=1) is None
    assert words.find(ONE, b"b", now=1) is not None


def test_the_same_picture_again_counts_once() -> None:
    words = kept(code_points=200)
    for _ in range(5):
        words.keep(ONE, b"a", Found("x" * 60), now=0)
    words.keep(ONE, b"b", Found(), now=0)
    assert words.find(ONE, b"a", now=1) is not None


def test_only_so_many_tenants_are_kept() -> None:
    words = kept(owners=2)
    for name in ("a", "b", "c"):
        words.keep((name, "production"), b"x", Found("go"), now=0)
    assert words.find(("a", "production"), b"x", now=1) is None
    assert words.find(("c", "production"), b"x", now=1) is not None
