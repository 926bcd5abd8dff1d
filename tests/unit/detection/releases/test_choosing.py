"""The lot that an item draws."""

from __future__ import annotations

import itertools

from services.detection.releases.choosing import Lots

ITEMS = [f"request-{number}" for number in range(4000)]


def chosen(seed: str, percent: float) -> set[str]:
    return {item for item in ITEMS if Lots(seed, percent).fall_on("demo", "production", item)}


def test_the_same_item_draws_the_same_each_time() -> None:
    assert chosen("a", 10) == chosen("a", 10)


def test_about_the_percentage_is_chosen() -> None:
    assert 320 <= len(chosen("a", 10)) <= 480
    assert chosen("a", 0) == set()
    assert chosen("a", 100) == set(ITEMS)


def test_more_percent_keep_those_that_were_chosen() -> None:
    shares = [chosen("a", percent) for percent in (0.5, 1, 5, 20, 60, 100)]
    assert all(smaller < larger for smaller, larger in itertools.pairwise(shares))


def test_another_seed_chooses_others() -> None:
    assert len(chosen("a", 10) & chosen("b", 10)) < 100


def test_tenants_and_environments_draw_apart() -> None:
    lots = Lots("a", 10)
    found = [
        {item for item in ITEMS if lots.fall_on(tenant, environment, item)}
        for tenant, environment in (("demo", "production"), ("demo", "staging"), ("arena", "production"))
    ]
    assert all(len(one & other) < 100 for one in found for other in found if one is not other)


def test_an_item_that_is_no_proper_text_draws_too() -> None:
    assert Lots("a", 100).fall_on("demo", "production", "\ud800")
    assert not Lots("a", 0).fall_on("demo", "production", "\ud800")
