"""Which limits can be calibrated, and what a calibration stands on."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from services.routing.calibration.comparisons import basis, compared, own_limits
from services.routing.document import PolicyDocument
from services.routing.loading import load
from tests.unit.routing.test_policy import DEFAULT, document


def policy(when: str, **changes: Any) -> PolicyDocument:  # noqa: ANN401 - fields of a policy
    return PolicyDocument.model_validate(document(when=when) | changes)


def problem(when: str) -> str:
    return compared(policy(when))["hate"].problem


@pytest.mark.parametrize(
    "when",
    [
        'score["hate"] >= limit.hate',
        "score['hate']>=limit.hate && user.messages_10s > 3.0",
        'limit.hate <= score["hate"] || term["hate"]',
        'carrier != "" && score["hate"] >= limit.hate',
        'kind == "text" && score["hate"] >= limit.hate',
        'score["hate"] >= limit.hate && language == "true"',
    ],
)
def test_a_plain_comparison_with_a_score_can_be_calibrated(when: str) -> None:
    assert compared(policy(when))["hate"] == ("hate", "")


@pytest.mark.parametrize(
    ("when", "why"),
    [
        ('score["hate"] > limit.hate', "does more with it"),
        ('score["hate"] >= limit.hate + 0.1', "does more with it"),
        ('score["hate"] >= limit.hate * 2.0', "does more with it"),
        ('score["hate"] <= limit.hate', "does more with it"),
        ('score["hate"] >= limit.hate && score["toxicity"] + limit.hate > 1.0', "does more with it"),
        ('!(score["hate"] >= limit.hate)', "turn the comparison round"),
        ('(score["hate"] >= limit.hate) == false', "turn the comparison round"),
        ('score["hate"] >= limit.hate ? false : true', "turn the comparison round"),
        ('kind == "image" && score["hate"] >= limit.hate', "not about texts"),
        ('score["hate"] >= limit.hate || score["toxicity"] >= limit.hate', "held against hate and toxicity"),
        ('score["hate"] >= 0.5', "no rule reads it"),
    ],
)
def test_any_other_use_is_left_alone_and_says_why(when: str, why: str) -> None:
    assert why in problem(when)


def test_the_limits_of_the_default_policy() -> None:
    found = compared(load(DEFAULT).document)
    assert {limit for limit, one in found.items() if one.problem} == {"sexual_image"}
    assert found["insult_sure"].category == found["insult"].category == "harassment.insult"


def test_own_limits_are_the_surface_s_over_the_default_s() -> None:
    one = policy('score["hate"] >= limit.hate')
    assert (own_limits(one, "username"), own_limits(one, "elsewhere")) == ({"hate": 0.4}, {"hate": 0.7})


def test_the_basis_is_the_numbers_and_the_rules_that_read_them() -> None:
    plain = document()
    before = basis(PolicyDocument.model_validate(plain), "chat")

    def after(change: dict[str, Any], **of_rule: Any) -> str:  # noqa: ANN401 - fields of a rule
        changed = copy.deepcopy(plain) | change
        changed["rules"][0] |= of_rule
        return basis(PolicyDocument.model_validate(changed), "chat")

    assert after({"version": "2"}) == after({}, notice="No.", description="Another.", queue="q") == before
    assert after({"limits": {"default": {"hate": 0.7}, "username": {"hate": 0.1}}}) == before
    assert after({"limits": {"default": {"hate": 0.71}}}) != before
    assert after({}, when='score["hate"] >= limit.hate && user.messages_10s > 1.0') != before
    assert after({}, effects=[{"kind": "HOLD"}]) != before
