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
        verdict.rules.add(rule_id="r", category=fired, parts=[0])
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
    assert decision_of(record(outcome, INSULT), [TEXT], [], replayed=False).display_text == shown


def test_a_mask_covers_what_the_fired_rules_are_about() -> None:
    masked = record(verdict_pb2.OUTCOME_MASK, INSULT, SPAM, fired="harassment.insult")
    assert decision_of(masked, [TEXT], [], replayed=False).display_text == "you **** spam"


def test_a_mask_for_which_no_span_speaks_covers_all_spans() -> None:
    masked = record(verdict_pb2.OUTCOME_MASK, INSULT, SPAM, fired="hate")
    assert decision_of(masked, [TEXT], [], replayed=False).display_text == "you **** ****"


def test_a_mask_without_spans_covers_everything() -> None:
    assert decision_of(record(verdict_pb2.OUTCOME_MASK), [TEXT], [], replayed=False).display_text == "*** **** ****"


def test_an_effects_category_speaks_too() -> None:
    masked = record(verdict_pb2.OUTCOME_MASK, INSULT, SPAM)
    masked.verdict.effects.add(kind=enforcement_pb2.EFFECT_KIND_MASK, category="integrity.spam")
    assert decision_of(masked, [TEXT], [], replayed=False).display_text == "you rude ****"


def test_degradations_and_repeats_are_named() -> None:
    decision = decision_of(record(verdict_pb2.OUTCOME_ALLOW), [TEXT], [], replayed=True)
    assert list(decision.degraded) == ["x:y"]
    assert decision.replayed


def several(*outcomes: verdict_pb2.Outcome.ValueType) -> decision_record_pb2.DecisionRecord:
    made = decision_record_pb2.DecisionRecord(decision_id="d", request_id="r")
    for outcome in outcomes:
        made.verdict.parts.add(outcome=outcome)
        made.parts.add(kind="text")
    return made


def test_each_part_is_shown_as_its_own_outcome_says() -> None:
    made = several(verdict_pb2.OUTCOME_ALLOW, verdict_pb2.OUTCOME_MASK, verdict_pb2.OUTCOME_DROP)
    made.parts[1].signals.spans.append(INSULT)
    made.verdict.rules.add(rule_id="r", category="harassment.insult", parts=[1])
    decision = decision_of(made, [TEXT, TEXT, TEXT], [], replayed=False)
    assert [part.display_text for part in decision.parts] == [TEXT, "you **** spam", ""]
    assert decision.display_text == ""


def test_the_scores_of_several_parts_are_the_most_that_any_has() -> None:
    made = several(verdict_pb2.OUTCOME_ALLOW, verdict_pb2.OUTCOME_ALLOW)
    for part, (hate, spam) in zip(made.parts, ((0.25, 0.5), (0.75, 0.125)), strict=True):
        part.signals.scores.add(category="hate", probability=hate)
        part.signals.scores.add(category="integrity.spam", probability=spam)
    scores = decision_of(made, ["", ""], [], replayed=False).scores
    assert [(score.category, score.probability) for score in scores] == [("hate", 0.75), ("integrity.spam", 0.5)]


def test_findings_say_where_in_which_part() -> None:
    made = several(verdict_pb2.OUTCOME_ALLOW, verdict_pb2.OUTCOME_DROP, verdict_pb2.OUTCOME_DROP)
    made.parts[1].signals.spans.append(INSULT)
    carried = made.parts[2].signals.carried
    carried.signals.spans.add(start=3, end=8, category="harassment.insult")
    for start, left in ((0, 0.1), (5, 0.5), (10, 0.8)):
        carried.places.add(start=start, end=start + 4, box=signals_pb2.Box(left=left, right=left + 0.1, bottom=0.1))
    made.verdict.rules.add(rule_id="r", category="harassment.insult", parts=[1, 2])
    first, second, third = decision_of(made, ["", TEXT, ""], [], replayed=False).findings
    assert (first.part, first.text.start, first.text.end) == (1, 4, 8)
    assert [one.part for one in (second, third)] == [2, 2], "the span reaches from the first line into the second"
    assert [round(one.box.left, 1) for one in (second, third)] == [0.1, 0.5]


def test_a_place_in_a_clip_is_a_time() -> None:
    made = record(verdict_pb2.OUTCOME_DROP, fired="violence.threat")
    carried = made.signals.carried
    carried.signals.spans.add(start=10, end=14, category="violence.threat", source="fast_text")
    carried.places.add(start=0, end=8, interval=signals_pb2.Interval(start_millis=0, end_millis=900))
    carried.places.add(start=9, end=20, interval=signals_pb2.Interval(start_millis=1500, end_millis=2500))
    (finding,) = decision_of(made, [""], [], replayed=False).findings
    assert (finding.interval.start_millis, finding.interval.end_millis) == (1500, 2500)


def test_where_nobody_can_say_where_it_is_the_part_as_a_whole() -> None:
    made = record(verdict_pb2.OUTCOME_HOLD, fired="sexual.nudity")
    made.signals.tiers.add(name="nsfw_image")
    (finding,) = decision_of(made, [""], [], replayed=False).findings
    assert (finding.source, finding.WhichOneof("where")) == ("nsfw_image", None)


def test_a_match_that_was_cancelled_is_no_finding() -> None:
    made = record(verdict_pb2.OUTCOME_DROP, fired="hate.symbol")
    made.signals.matches.add(bank="b", category="hate.symbol", cancelled=True)
    made.signals.matches.add(bank="b", category="hate.symbol")
    assert [one.source for one in decision_of(made, [""], [], replayed=False).findings] == ["hash_banks"]


def test_a_plain_allow_has_no_findings_and_many_are_bounded() -> None:
    assert not decision_of(record(verdict_pb2.OUTCOME_ALLOW, INSULT), [TEXT], [], replayed=False).findings
    many = record(verdict_pb2.OUTCOME_MASK, *[INSULT] * 100, fired="harassment.insult")
    assert len(decision_of(many, [TEXT], [], replayed=False).findings) == 64
