"""Detectors of behaviour: what they see, what they do not take for it, and that they are whole."""

from __future__ import annotations

import itertools

import pytest
from moat.context.v1 import context_service_pb2

from services.context.behaviour.port import Behaviour, rises
from services.context.behaviour.registry import BEHAVIOURS, behaviours_of
from services.context.features import FEATURES
from services.context.reading import features_of, plan_reading
from services.context.windows import Plan

BY_NAME = {one.name: one for one in BEHAVIOURS}
MANY, RAID, PILE_ON = "same_text_from_many_accounts", "joins_then_floods", "sudden_targeting"


def score(name: str, *values: float) -> float:
    behaviour = BY_NAME[name]
    return behaviour.score(dict(zip(behaviour.reads, values, strict=True)))


@pytest.mark.parametrize(
    ("name", "values", "least", "most"),
    [
        (MANY, (0, 1), 0, 0),
        (MANY, (3, 1), 0, 0),
        (MANY, (12, 1), 1, 1),
        (MANY, (100, 1), 1, 1),
        (MANY, (12, 500), 0.5, 0.5),
        (RAID, (30, 60, 1), 1, 1),
        (RAID, (30, 60, 500), 0, 0),
        (RAID, (0, 200, 1), 0, 0),
        (RAID, (50, 3, 1), 0, 0),
        (RAID, (12, 25, 3), 0.2, 0.4),
        (PILE_ON, (12, 30, 15, 1), 1, 1),
        (PILE_ON, (12, 30, 0, 1), 0.3, 0.34),
        (PILE_ON, (2, 30, 30, 1), 0, 0),
        (PILE_ON, (12, 30, 15, 20), 0, 0),
    ],
)
def test_it_sees_what_it_is_for_and_not_what_is_like_it(
    name: str, values: tuple[float, ...], least: float, most: float
) -> None:
    assert least <= score(name, *values) <= most


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda one: one.name)
def test_each_goes_by_the_name_of_its_module_reads_what_there_is_and_stays_within_0_and_1(behaviour: Behaviour) -> None:
    assert behaviour.look.__module__.endswith(f".{behaviour.name}")
    assert f"behaviour.{behaviour.name}" in FEATURES
    assert set(behaviour.reads) <= FEATURES.keys()
    for values in itertools.product((-1.0, 0.0, 1.0, 7.0, 1e9), repeat=len(behaviour.reads)):
        assert 0 <= score(behaviour.name, *values) <= 1


def test_what_is_not_known_is_no_behaviour() -> None:
    assert set(behaviours_of({"user.messages_ever": 3.0}).values()) == {0.0}


def test_it_rises_between_its_bounds() -> None:
    assert [rises(value, 2, 4) for value in (0, 2, 3, 4, 9)] == [0, 0, 0.5, 1, 1]


def test_they_stand_among_the_features_of_an_item() -> None:
    item = context_service_pb2.ContextItem(user_id="ann", channel_id="lobby", target_user_ids=["bob"])
    plan = Plan(4)
    user, channel, (target,) = places = plan_reading(plan, item, 1000)
    assert channel is not None
    answers: dict[str, list[list[int]]] = {tag: [[]] * len(asked) for tag, asked in plan.by_tag.items()}
    for (tag, position), numbers in (
        (user, [0] * 13),
        (channel, [60, 90, 0, 30, 20, 14]),
        (target, [40, 20, 12, 1]),
    ):
        answers[tag][position] = numbers
    features = features_of(item, places, answers, 1000)
    assert {name: features[f"behaviour.{name}"] for name in BY_NAME} == {MANY: 1, RAID: 1, PILE_ON: 1}
    assert features.keys() <= FEATURES.keys()
