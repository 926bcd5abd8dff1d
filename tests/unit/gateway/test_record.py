"""What stands on a record besides what others said."""

from __future__ import annotations

from moat.audit.v1 import decision_record_pb2
from moat.detection.v1 import signals_pb2
from moat.enforcement.v1 import enforcement_pb2
from moat.mesh.v1 import item_pb2
from moat.routing.v1 import verdict_pb2

from gateway.known import Known
from gateway.record import degradations, intent_of


def test_a_policys_answer_to_a_missing_part_names_it() -> None:
    verdict = verdict_pb2.Verdict(degraded=["detection:hold"])
    assert degradations(Known(missing=["detection"]), verdict) == ["detection:hold"]


def test_a_missing_part_without_an_answer_is_named_too() -> None:
    known = Known(signals=[signals_pb2.Signals(degraded=["deep_tier"])], missing=["context"])
    assert degradations(known, verdict_pb2.Verdict()) == ["context:missing", "deep_tier:missing"]


def test_what_is_missing_of_any_part_or_of_its_words_is_named_once() -> None:
    read = signals_pb2.Signals(degraded=["image_text"])
    read.carried.signals.degraded.append("deep_tier")
    known = Known(signals=[signals_pb2.Signals(degraded=["deep_tier"]), read, None])
    named = degradations(known, verdict_pb2.Verdict())
    assert named == ["deep_tier:missing", "image_text:missing"]


def test_rules_that_could_not_be_evaluated_degrade_the_decision() -> None:
    verdict = verdict_pb2.Verdict(failed_rule_ids=["a", "b"])
    assert degradations(Known(), verdict) == ["routing:failed_rules"]


def test_only_what_is_done_to_the_author_is_an_intent() -> None:
    kinds = (enforcement_pb2.EFFECT_KIND_MASK, enforcement_pb2.EFFECT_KIND_WARN, enforcement_pb2.EFFECT_KIND_BAN)
    verdict = verdict_pb2.Verdict(effects=[enforcement_pb2.Effect(kind=kind) for kind in kinds], notice="stop")
    record = decision_record_pb2.DecisionRecord(decision_id="first", user_id="u1", verdict=verdict)
    intent = intent_of(record, item_pb2.ItemContext(tenant="demo", decision_id="repeat"))
    assert intent is not None
    assert [effect.kind for effect in intent.effects] == list(kinds[1:])
    assert intent.context.decision_id == "first", "a repeat asks for the first decision's effects"
    assert intent.notice == "stop"


def test_a_masked_line_has_no_intent() -> None:
    verdict = verdict_pb2.Verdict(effects=[enforcement_pb2.Effect(kind=enforcement_pb2.EFFECT_KIND_MASK)])
    record = decision_record_pb2.DecisionRecord(verdict=verdict)
    assert intent_of(record, item_pb2.ItemContext()) is None
