"""The exact cache: the same text of the same tenant, for a while, and only what was found whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from moat.detection.v1 import signals_pb2

from services.detection.exact_cache import CachingScorer, ExactCache
from services.detection.scorer import Line, Scored


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class CountingScorer:
    """Says each text's length as its only score; texts with a `?` come later, and without the deep tier."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.known_version = "1"
        self.version_while_scoring = ""

    def version(self, line: Line) -> str:
        return self.known_version

    async def score(self, lines: Sequence[Line]) -> AsyncIterator[list[Scored]]:
        self.asked += [line.text for line in lines]
        self.known_version = self.version_while_scoring or self.known_version
        for late in (False, True):
            yield [
                Scored(index, signals(line.text), [])
                for index, line in enumerate(lines)
                if line.text.endswith("?") is late
            ]


def signals(text: str) -> signals_pb2.Signals:
    found = signals_pb2.Signals(degraded=["deep_tier"] if text.endswith("?") else [])
    found.scores.add(category="toxicity", probability=len(text) / 100)
    found.tiers.add(name="terms", version="1", reason="always")
    return found


def cached(entries: int = 10, tenant_entries: int = 10) -> tuple[CountingScorer, CachingScorer, Clock]:
    scorer, clock = CountingScorer(), Clock()
    cache = ExactCache(entries=entries, tenant_entries=tenant_entries, seconds=60, clock=clock)
    return scorer, CachingScorer(scorer, cache), clock


async def score(scorer: CachingScorer, *texts: str, tenant: str = "t") -> list[tuple[int, float, list[str]]]:
    parts = scorer.score([Line(text, tenant=tenant) for text in texts])
    found = [one async for part in parts for one in part]
    return [
        (one.index, round(one.signals.scores[0].probability, 2), [tier.name for tier in one.signals.tiers])
        for one in found
    ]


async def test_what_is_known_is_there_at_once_and_says_so() -> None:
    scorer, caching, _ = cached()
    assert await score(caching, "gg", "hello") == [(0, 0.02, ["terms"]), (1, 0.05, ["terms"])]
    assert await score(caching, "new", "gg") == [(1, 0.02, ["cache", "terms"]), (0, 0.03, ["terms"])]
    assert await score(caching, "gg") == [(0, 0.02, ["cache", "terms"])]
    assert scorer.asked == ["gg", "hello", "new"]


async def test_another_tenant_or_another_spelling_is_another_text() -> None:
    scorer, caching, _ = cached()
    await score(caching, "gg")
    await score(caching, "gg", tenant="other")
    await score(caching, "GG")
    assert scorer.asked == ["gg", "gg", "GG"]


async def test_it_is_forgotten_after_a_while_even_if_it_is_asked_for_all_the_time() -> None:
    scorer, caching, clock = cached()
    for _ in range(4):
        await score(caching, "gg")
        clock.now += 25
    assert scorer.asked == ["gg", "gg"]


async def test_what_was_found_without_the_deep_tier_is_scored_again() -> None:
    scorer, caching, _ = cached()
    await score(caching, "really?")
    await score(caching, "really?")
    assert scorer.asked == ["really?", "really?"]


async def test_a_tenant_that_floods_it_pushes_out_its_own() -> None:
    scorer, caching, _ = cached(tenant_entries=2)
    await score(caching, "mine", tenant="quiet")
    await score(caching, "a", "b", "c")
    await score(caching, "mine", tenant="quiet")
    await score(caching, "a")
    assert scorer.asked == ["mine", "a", "b", "c", "a"]


async def test_it_is_bounded_however_many_tenants_there_are() -> None:
    scorer, caching, _ = cached(entries=3)
    for tenant in ("first", "second", "third", "fourth"):
        await score(caching, "gg", tenant=tenant)
    await score(caching, "gg", tenant="fourth")
    assert len(scorer.asked) == 4
    await score(caching, "gg", tenant="first")
    assert len(scorer.asked) == 5


async def test_it_can_be_off() -> None:
    scorer, caching, _ = cached(entries=0)
    await score(caching, "gg")
    await score(caching, "gg")
    assert scorer.asked == ["gg", "gg"]


async def test_a_lone_surrogate_harms_nobody() -> None:
    _, caching, _ = cached()
    assert await score(caching, "x\ud800") == await score(cached()[1], "x\ud800")


async def test_what_was_found_with_other_lists_is_scored_again() -> None:
    scorer, caching, _ = cached()
    await score(caching, "gg")
    scorer.known_version = "2"
    await score(caching, "gg")
    await score(caching, "gg")
    assert scorer.asked == ["gg", "gg"]


async def test_what_was_found_while_the_lists_changed_is_not_kept_under_either() -> None:
    scorer, caching, _ = cached()
    scorer.version_while_scoring = "2"
    await score(caching, "gg")
    for version in ("1", "2"):
        scorer.version_while_scoring = scorer.known_version = version
        await score(caching, "gg")
    assert scorer.asked == ["gg", "gg", "gg"]
