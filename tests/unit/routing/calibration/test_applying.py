"""Where calibrated limits hold and where they do not."""

from __future__ import annotations

import pytest
from moat.detection.v1 import signals_pb2
from moat.routing.v1 import verdict_pb2
from prometheus_client import REGISTRY

from services.routing import facts
from services.routing.calibration.applying import Calibrations, staleness, tell, versions_of
from services.routing.calibration.document import Calibration
from services.routing.policy import Policy
from services.routing.views import Item
from tests.support.calibrations import MODELS, calibration, scored
from tests.unit.routing.test_policy import policy

RAISED = (0.2,) * 270 + (0.8,) * 30
"""More than 5 % of benign texts above the policy's 0.7."""


def raised(decider: Policy, **place: str) -> Calibration:
    return calibration(decider.document, benign=RAISED, **place)  # type: ignore[arg-type]


def decided(decider: Policy, item: Item, *calibrations: Calibration) -> tuple[str, str]:
    verdict = decider.decide(item, Calibrations(calibrations, decider.document))
    return verdict_pb2.Outcome.Name(verdict.outcome).removeprefix("OUTCOME_"), verdict.calibration


def test_the_limit_holds_for_its_tenant_environment_and_surface_and_is_named() -> None:
    decider = policy()
    made = raised(decider)
    assert decided(decider, scored(0.8)) == ("DROP", "")
    assert decided(decider, scored(0.8), made) == ("ALLOW", made.reference_name)
    assert decided(decider, scored(0.81), made) == ("DROP", made.reference_name)


@pytest.mark.parametrize("place", [{"tenant": "arena"}, {"environment": "staging"}, {"surface": "forum"}])
def test_every_other_place_keeps_the_policy_s_own(place: dict[str, str]) -> None:
    decider = policy()
    assert decided(decider, scored(0.8, **place), raised(decider)) == ("DROP", "")


def test_a_lowered_limit_catches_what_the_policy_let_pass() -> None:
    decider = policy()
    made = calibration(decider.document, benign=[0.2] * 300, positives=[0.5] * 9)
    assert decided(decider, scored(0.5)) == ("ALLOW", "")
    assert decided(decider, scored(0.5), made) == ("DROP", made.reference_name)


def test_many_places_at_once_do_not_see_each_other_s_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """More of them than there are contexts at hand."""
    monkeypatch.setattr(facts, "_MOST_CALIBRATED", 3)
    decider = policy()
    benign = {f"t{number}": (0.2,) * 270 + (0.71 + number / 100,) * 30 for number in range(8)}
    calibrations = [calibration(decider.document, benign=scores, tenant=tenant) for tenant, scores in benign.items()]
    for _ in range(2):
        for number, tenant in enumerate(benign):
            limit = 0.71 + number / 100
            assert decided(decider, scored(limit, tenant=tenant), *calibrations)[0] == "ALLOW"
            assert decided(decider, scored(limit + 0.001, tenant=tenant), *calibrations)[0] == "DROP"
            assert decided(decider, scored(0.705, tenant="other"), *calibrations) == ("DROP", "")


@pytest.mark.parametrize("versions", [{"fast_text": "f2"}, {"deep_text": "d2"}, {"normaliser": "n2"}])
def test_scores_of_another_release_are_held_against_the_policy_s_own_limits(versions: dict[str, str]) -> None:
    decider = policy()
    assert decided(decider, scored(0.8, **versions), raised(decider)) == ("DROP", "")


def test_a_picture_is_held_against_the_policy_s_own_limits_and_its_words_against_calibrated_ones() -> None:
    decider = policy()
    words = scored(0.8).signals
    item = scored(0.8)
    item.signals.image.pdq_quality = 100
    assert decided(decider, item, raised(decider)) == ("DROP", "")
    item.signals.ClearField("scores")
    item.signals.carried.signals.CopyFrom(words)
    assert decided(decider, item, raised(decider)) == ("ALLOW", raised(decider).reference_name)


def test_texts_of_one_content_may_be_of_different_releases() -> None:
    decider = policy()
    item = Item(surface="chat")
    item.context.CopyFrom(scored(0).context)
    for signals in (scored(0.8).signals, scored(0.8, fast_text="f2").signals):
        item.parts.add(kind="text").signals.CopyFrom(signals)
    verdict = decider.decide(item, Calibrations([raised(decider)], decider.document))
    assert [part.outcome for part in verdict.parts] == [verdict_pb2.OUTCOME_ALLOW, verdict_pb2.OUTCOME_DROP]


def test_without_detection_there_is_nothing_to_hold_limits_against() -> None:
    decider = policy()
    item = scored(0.8)
    item.ClearField("signals")
    item.missing.append("detection")
    assert decided(decider, item, raised(decider)) == ("HOLD", "")


def test_what_was_made_for_other_rules_or_numbers_is_stale_and_says_why() -> None:
    made = raised(policy())
    others = {
        "no limit 'hate'": Policy(
            policy().document.model_copy(update={"limits": {"default": {"x": 1.0}}, "rules": []})
        ),
        "held against": policy(when='score["toxicity"] >= limit.hate'),
        "does more with it": policy(when='score["hate"] + 0.1 >= limit.hate'),
        "were others": policy(effects=[{"kind": "HOLD"}]),
    }
    for reason, other in others.items():
        assert reason in staleness(made, other.document)
        assert decided(other, scored(0.8), made)[1] == ""
    assert staleness(made, policy(notice="Another notice.").document) == ""


def test_stale_ones_are_counted() -> None:
    other = policy(effects=[{"kind": "HOLD"}])
    tell(Calibrations([raised(policy())], other.document))
    assert REGISTRY.get_sample_value("routing_calibrations", {"state": "stale"}) == 1
    assert REGISTRY.get_sample_value("routing_calibrations", {"state": "applied"}) == 0


def test_the_same_item_under_the_same_calibration_gives_the_same_verdict_bit_for_bit() -> None:
    decider, item = policy(), scored(0.8)
    calibrations = Calibrations([raised(decider)], decider.document)
    first = decider.decide(item, calibrations).SerializeToString(deterministic=True)
    decider.decide(scored(0.99, tenant="other"), calibrations)
    assert decider.decide(item, calibrations).SerializeToString(deterministic=True) == first


def test_versions_are_those_of_models_and_not_of_lists_and_caches() -> None:
    assert versions_of(scored(0.1).signals) == MODELS
    assert versions_of(signals_pb2.Signals()) == {"normaliser": ""}
