"""What a caller is told: the decision, made from its record alone, so that a repeat is told the same. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moat.moderation.v1 import moderation_pb2
from moat.routing.v1 import verdict_pb2

from gateway.masking import mask, mask_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moat.audit.v1 import decision_record_pb2


def decision_of(
    record: decision_record_pb2.DecisionRecord,
    text: str,
    actions: Sequence[moderation_pb2.DecisionAction],
    *,
    replayed: bool,
) -> moderation_pb2.Decision:
    """`text` is what was asked about; the record holds it only sealed."""
    verdict = record.verdict
    return moderation_pb2.Decision(
        decision_id=record.decision_id,
        request_id=record.request_id,
        outcome=verdict.outcome,
        actions=actions,
        display_text=_display_text(record, text),
        notice=verdict.notice,
        category=verdict.category,
        severity=verdict.severity,
        scores=record.signals.scores,
        policy=verdict.policy,
        degraded=record.degraded,
        trace_id=record.trace_id,
        decide_time=record.decide_time,
        replayed=replayed,
    )


def _display_text(record: decision_record_pb2.DecisionRecord, text: str) -> str:
    outcome = record.verdict.outcome
    if outcome == verdict_pb2.OUTCOME_ALLOW:
        return text
    if outcome == verdict_pb2.OUTCOME_MASK:
        return _masked(record, text)
    return ""


def _masked(record: decision_record_pb2.DecisionRecord, text: str) -> str:
    """Covers what speaks for a category that a rule fired for; if none does, whatever detection pointed at; if it
    pointed at nothing, everything."""
    verdict = record.verdict
    fired = {rule.category for rule in verdict.rules} | {effect.category for effect in verdict.effects}
    spans = [span for span in record.signals.spans if span.category in fired] or list(record.signals.spans)
    if not spans:
        return mask_all(text)
    return mask(text, ((span.start, span.end) for span in spans))
