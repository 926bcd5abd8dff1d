"""An answer is made from the record alone."""

from __future__ import annotations

import pytest
from moat.audit.v1 import decision_record_pb2
from moat.detection.v1 import signals_pb2
from moat.enforcement.v1 import enforcement_pb2
from moat.routing.v1 import verdict_pb2

from gateway.answer import decision_of

TEXT = "you rude spam"
INSULT = signals_pb2.Span(start=4, end=8, category="harassment.insult")
SPAM = signals_pb2.Span(start=9, end=13, category="integrity.spam")


def record(
    outcome: verdict_pb2.Outcome.ValueType, *spans: signals_pb2.Span, fired: str = ""
) -> decision_record_pb2.DecisionRecord:
    verdict = verdict_pb2.Verdict(outcome=outcome)
    if fired:
        verdict.rules.add(rule_id="r", category=fired)
    return decision_record_pb2.DecisionRecord(
        decision_id="d", request_id="r", verdict=verdict, signals=signals_pb2.Signals(spans=spans), degraded=["x:y"]
    )


@pytest.mark.parametrize(
    ("outcome", "shown"),
    [
        (verdict_pb2.OUTCOME_ALLOW, TEXT),
        (verdict_pb2.OUTCOME_HOLD, ""),
        (verdict_pb2.OUTCOME_DROP, ""),
        (verdict_pb2.OUTCOME_UNSPECIFIED, ""),
    ],
)
def test_only_what_is_allowed_is_shown(outcome: verdict_pb2.Outcome.ValueType, shown: str) -> None:
    assert decision_of(record(outcome, INSULT), TEXT, [], replayed=False).display_text == shown


def test_a_mask_covers_what_the_fired_rules_are_about() -> None:
    masked = record(verdict_pb2.OUTCOME_MASK, INSULT, SPAM, fired="harassment.insult")
    assert decision_of(masked, TEXT, [], replayed=False).display_text == "you **** spam"


def test_a_mask_for_which_no_span_speaks_covers_all_spans() -> None:
    masked = record(verdict_pb2.OUTCOME_MASK, INSULT, SPAM, fired="hate")
    assert decision_of(masked, TEXT, [], replayed=False).display_text == "you **** ****"


def test_a_mask_without_spans_covers_everything() -> None:
    assert decision_of(record(verdict_pb2.OUTCOME_MASK), TEXT, [], replayed=False).display_text == "*** **** ****"


def test_an_effects_category_speaks_too() -> None:
    masked = record(verdict_pb2.OUTCOME_MASK, INSULT, SPAM)
    masked.verdict.effects.add(kind=enforcement_pb2.EFFECT_KIND_MASK, category="integrity.spam")
    assert decision_of(masked, TEXT, [], replayed=False).display_text == "you rude ****"


def test_degradations_and_repeats_are_named() -> None:
    decision = decision_of(record(verdict_pb2.OUTCOME_ALLOW), TEXT, [], replayed=True)
    assert list(decision.degraded) == ["x:y"]
    assert decision.replayed
