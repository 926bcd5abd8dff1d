"""Rules look at each part of a content, and at the words that it carries; the verdict says which part caused what."""

from __future__ import annotations

from typing import Any

import pytest
from moat.detection.v1 import signals_pb2
from moat.routing.v1 import routing_service_pb2, verdict_pb2

from services.routing.document import PolicyDocument
from services.routing.loading import load
from services.routing.policy import BadPolicy, Policy
from services.routing.views import Item
from tests.unit.routing.test_policy import DEFAULT, document, item, outcome, picture, policy

Part = routing_service_pb2.PartSignals


def signals(**scores: float) -> signals_pb2.Signals:
    return signals_pb2.Signals(
        scores=[signals_pb2.Score(category=category, probability=value) for category, value in scores.items()]
    )


def text(**scores: float) -> Part:
    return Part(kind="text", signals=signals(**scores))


def image(*, words: signals_pb2.Signals | None = None, match: str = "") -> Part:
    part = Part(kind="image")
    part.signals.image.pdq_quality = 100
    if words is not None:
        part.signals.carried.signals.CopyFrom(words)
    if match:
        part.signals.matches.add(bank="b", category=match)
    return part


def several(*parts: Part) -> Item:
    return Item(surface="chat", parts=parts)


def outcomes(verdict: verdict_pb2.Verdict) -> list[str]:
    return [verdict_pb2.Outcome.Name(part.outcome).removeprefix("OUTCOME_") for part in verdict.parts]


def fired(verdict: verdict_pb2.Verdict) -> dict[str, list[int]]:
    return {rule.rule_id: list(rule.parts) for rule in verdict.rules}


def test_the_verdict_says_which_part_caused_it() -> None:
    verdict = policy().decide(several(text(hate=0.1), text(hate=0.9), image()))
    assert fired(verdict) == {"one": [1]}
    assert outcomes(verdict) == ["ALLOW", "DROP", "ALLOW"]
    assert verdict.outcome == verdict_pb2.OUTCOME_DROP
    assert (verdict.parts[1].category, verdict.parts[1].severity) == ("hate", 3)
    assert not verdict.parts[0].category


def test_one_thing_has_no_parts_but_its_rules_say_that_it_was_it() -> None:
    verdict = policy().decide(item(hate=0.9))
    assert not verdict.parts
    assert fired(verdict) == {"one": [0]}


def test_words_that_a_picture_carries_are_looked_at_as_text() -> None:
    carried = several(text(), image(words=signals(hate=0.9)))
    assert fired(policy().decide(carried)) == {"one": [1]}
    typed_only = policy(when='kind == "text" && carrier == "" && score["hate"] >= 0.5')
    assert not fired(typed_only.decide(carried))
    in_pictures = policy(when='carrier == "image" && score["hate"] >= 0.5')
    assert outcomes(in_pictures.decide(carried)) == ["ALLOW", "DROP"]


def test_the_scores_of_words_are_not_the_pictures_own() -> None:
    decider = policy(when='kind == "image" && score["hate"] >= 0.5')
    assert outcome(decider, several(image(words=signals(hate=0.9)))) == "ALLOW"


def test_a_rule_about_the_author_holds_for_every_part_and_is_of_none() -> None:
    one = several(text(), image())
    one.features["user.messages_10s"] = 9
    verdict = policy(when="user.messages_10s > 3.0").decide(one)
    assert fired(verdict) == {"one": []}
    assert outcomes(verdict) == ["DROP", "DROP"]


def test_a_masked_line_leaves_its_picture_alone() -> None:
    verdict = policy(effects=[{"kind": "MASK"}]).decide(several(text(hate=0.9), image()))
    assert outcomes(verdict) == ["MASK", "ALLOW"]
    assert verdict.outcome == verdict_pb2.OUTCOME_MASK


def test_what_would_be_masked_is_held_where_words_are_in_a_picture() -> None:
    verdict = policy(effects=[{"kind": "MASK"}]).decide(several(text(), image(words=signals(hate=0.9))))
    assert outcomes(verdict) == ["ALLOW", "HOLD"]
    assert verdict.outcome == verdict_pb2.OUTCOME_HOLD


def test_effects_are_asked_for_once_however_many_parts_want_them() -> None:
    verdict = policy().decide(several(text(hate=0.9), text(hate=0.8)))
    assert [list(effect.rule_ids) for effect in verdict.effects] == [["one"]]
    assert fired(verdict) == {"one": [0, 1]}


def test_a_part_that_detection_did_not_answer_about_meets_the_policys_answer_alone() -> None:
    verdict = policy().decide(several(text(), Part(kind="image")))
    assert outcomes(verdict) == ["ALLOW", "HOLD"]
    assert list(verdict.degraded) == ["detection:hold"]


@pytest.mark.parametrize(("missing", "mode"), [("image_text", "hold"), ("speech", "hold"), ("detectors", "hold")])
def test_what_was_not_read_or_heard_waits_unless_the_policy_says_otherwise(missing: str, mode: str) -> None:
    part = image()
    part.signals.degraded.append(missing)
    assert list(policy().decide(several(part)).degraded) == [f"{missing}:{mode}"]
    lenient = document()
    lenient["missing"]["default"][missing] = "allow"
    decider = Policy(PolicyDocument.model_validate(lenient))
    assert outcome(decider, several(part)) == "ALLOW"


def test_what_is_missing_of_words_is_missing_of_their_picture() -> None:
    part = image(words=signals())
    part.signals.carried.signals.degraded.append("deep_tier")
    assert list(policy().decide(several(part)).degraded) == ["deep_tier:deterministic_only"]


def keeping(**rule: Any) -> Policy:  # noqa: ANN401 - fields of a rule
    return policy(keep_evidence=True, **rule)


def test_only_files_that_a_keeping_rule_fired_for_are_evidence() -> None:
    decider = keeping(when='match["hate.symbol"] || score["hate"] >= 0.5')
    verdict = decider.decide(several(text(hate=0.9), image(), image(match="hate.symbol")))
    assert list(verdict.evidence_parts) == [2]
    assert list(decider.decide(picture("hate.symbol")).evidence_parts) == [0]
    assert not policy(when='match["hate.symbol"]').decide(picture("hate.symbol")).evidence_parts


def test_a_rule_that_cannot_say_which_file_may_not_keep_any() -> None:
    with pytest.raises(BadPolicy, match="rule one: keep_evidence needs a condition on the content"):
        keeping(when="user.messages_10s > 3.0")


def test_the_default_policy_stops_a_slur_wherever_it_stands() -> None:
    slur = signals()
    slur.spans.add(category="hate", source="terms", end=4)
    verdict = load(DEFAULT).decide(several(text(), image(words=slur)))
    assert outcomes(verdict) == ["ALLOW", "DROP"]
    assert fired(verdict) == {"slur_dropped": [1]}


def test_nothing_of_one_view_is_seen_by_the_next() -> None:
    hot = image(words=signals(hate=0.9), match="hate.symbol")
    decider = policy(when='match["hate.symbol"] && score["hate"] >= 0.5')
    assert outcome(decider, several(hot, text(hate=0.9))) == "ALLOW"
