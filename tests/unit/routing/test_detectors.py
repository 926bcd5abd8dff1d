"""What rules may read of plugged-in detectors: those that the policy names, by their highest score or by category."""

from __future__ import annotations

from typing import Any

import pytest
from moat.routing.v1 import verdict_pb2

from services.routing.document import PolicyDocument
from services.routing.policy import BadPolicy, Policy
from services.routing.views import Item


def policy(when: str, *, detectors: tuple[str, ...] = ("addresses", "house_rules"), tests: Any = None) -> Policy:  # noqa: ANN401 - as written
    rule = {"id": "one", "description": "A rule.", "when": when, "category": "privacy.doxxing", "severity": 3}
    return Policy(
        PolicyDocument.model_validate(
            {
                "name": "small",
                "version": "1",
                "limits": {"default": {"sure": 0.9}},
                "missing": {"default": {"detectors": "hold"}},
                "detectors": detectors,
                "rules": [rule | {"effects": [{"kind": "DROP"}]}],
                "tests": tests or [{"name": "nothing is shown", "expect": "ALLOW"}],
            }
        )
    )


def said(*findings: tuple[str, dict[str, float]], carried: bool = False) -> Item:
    item = Item(surface="chat")
    signals = item.signals
    if carried:
        item.signals.image.pdq_quality = 100
        signals = item.signals.carried.signals
    for name, scores in findings:
        finding = signals.detectors.add(name=name, state="answered" if scores else "failed")
        for category, probability in scores.items():
            finding.scores.add(category=category, probability=probability)
    return item


def dropped(decider: Policy, item: Item) -> bool:
    return decider.decide(item).outcome == verdict_pb2.OUTCOME_DROP


BOTH = {"privacy.doxxing": 0.25, "privacy.personal_data": 0.5}


@pytest.mark.parametrize(
    ("when", "drops"),
    [
        ('detector["addresses"] >= 0.5', True),
        ("detector.addresses >= 0.5", True),
        ('detector["addresses"] > 0.5', False),
        ('detector["addresses.privacy.doxxing"] >= 0.25', True),
        ('detector["addresses.privacy.doxxing"] > 0.25', False),
        ('detector["addresses.hate"] > 0.0', False),
        ('detector["house_rules"] > 0.0', False),
        ('detector["addresses"] >= limit.sure', False),
        ('detector["house_rules"] < limit.sure && detector["addresses"] > 0.0', True),
    ],
)
def test_a_rule_reads_the_most_that_a_detector_says_or_what_it_says_of_a_category(when: str, *, drops: bool) -> None:
    assert dropped(policy(when), said(("addresses", BOTH), ("house_rules", {}))) is drops


def test_nothing_of_one_item_is_seen_by_the_next() -> None:
    decider = policy('detector["addresses"] >= 0.5')
    assert dropped(decider, said(("addresses", BOTH)))
    assert not dropped(decider, said())


def test_what_is_said_of_words_in_a_picture_counts_for_the_words() -> None:
    decider = policy('detector["addresses"] >= 0.5 && carrier == "image"')
    assert dropped(decider, said(("addresses", BOTH), carried=True))
    assert not dropped(decider, said(("addresses", BOTH)))


@pytest.mark.parametrize(
    ("when", "mistake"),
    [
        ('detector["adresses"] > 0.5', "rule one: detector has no 'adresses'; .* names addresses, house_rules"),
        ('detector["addresses.rage"] > 0.5', "rule one: detector 'addresses' scores no 'rage'"),
        ("detector > 0.5", "rule one: .*detector"),
        ("detectors.addresses > 0.5", "'detectors' is not known; there are .*detector"),
    ],
)
def test_a_detector_that_the_policy_does_not_name_is_refused_with_those_that_it_does(when: str, mistake: str) -> None:
    with pytest.raises(BadPolicy, match=mistake):
        policy(when)


def test_a_policy_that_names_none_reads_none() -> None:
    with pytest.raises(BadPolicy, match="`detectors` of the policy names none"):
        policy('detector["addresses"] > 0.5', detectors=())


def test_examples_say_what_detectors_say() -> None:
    examples = [
        {"name": "an address", "detectors": {"addresses": 0.5}, "expect": "DROP"},
        {"name": "by category", "detectors": {"addresses.privacy.doxxing": 0.6}, "expect": "DROP"},
        {"name": "another one", "detectors": {"house_rules": 0.6}, "expect": "ALLOW"},
        {"name": "one did not answer", "missing": ["detectors"], "expect": "HOLD"},
    ]
    policy('detector["addresses"] >= 0.5', tests=examples)
    with pytest.raises(BadPolicy, match="test 'odd': detector has no 'nobody'"):
        policy("true", tests=[{"name": "odd", "detectors": {"nobody": 0.6}, "expect": "DROP"}])


def test_a_required_detector_that_did_not_answer_is_answered_by_the_policy() -> None:
    item = said(("addresses", {}))
    item.signals.degraded.append("detectors")
    verdict = policy('detector["addresses"] >= 0.5').decide(item)
    assert (verdict.outcome, list(verdict.degraded)) == (verdict_pb2.OUTCOME_HOLD, ["detectors:hold"])


@pytest.mark.parametrize("category", ["privacy.doxxing", "x_arena.poaching", "toxicity"])
def test_a_rule_may_be_of_any_category_of_the_taxonomy(category: str) -> None:
    written = policy("true", tests=[{"name": "all", "expect": "DROP"}]).document.model_dump()
    rule = {"id": "r", "description": "", "when": "true", "category": category, "severity": 1}
    assert PolicyDocument.model_validate(written | {"rules": [rule]}).rules[0].category == category
