"""What a caller is told: the decision, made from its record alone, so that a repeat is told the same. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moat.detection.v1 import signals_pb2
from moat.moderation.v1 import moderation_pb2
from moat.routing.v1 import verdict_pb2

from gateway.findings import findings_of, fired_for, speaking
from gateway.masking import mask, mask_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from moat.audit.v1 import decision_record_pb2


def decision_of(
    record: decision_record_pb2.DecisionRecord,
    texts: Sequence[str],
    actions: Sequence[moderation_pb2.DecisionAction],
    *,
    replayed: bool,
) -> moderation_pb2.Decision:
    """`texts` is what was asked about, by part, empty for a file; the record holds it only sealed."""
    verdict = record.verdict
    decision = moderation_pb2.Decision(
        decision_id=record.decision_id,
        request_id=record.request_id,
        outcome=verdict.outcome,
        actions=actions,
        notice=verdict.notice,
        category=verdict.category,
        severity=verdict.severity,
        policy=verdict.policy,
        degraded=record.degraded,
        trace_id=record.trace_id,
        decide_time=record.decide_time,
        replayed=replayed,
    )
    if record.parts:
        decision.parts.extend(_part(record, position, text) for position, text in enumerate(texts))
        decision.scores.extend(_most(part.scores for part in decision.parts))
    else:
        decision.display_text = _display_text(record, 0, record.signals, verdict.outcome, texts[0])
        decision.scores.extend(record.signals.scores)
    if verdict.rules:
        decision.findings.extend(findings_of(record))
    return decision


def _part(record: decision_record_pb2.DecisionRecord, position: int, text: str) -> moderation_pb2.PartDecision:
    verdict, signals = record.verdict.parts[position], record.parts[position].signals
    return moderation_pb2.PartDecision(
        outcome=verdict.outcome,
        display_text=_display_text(record, position, signals, verdict.outcome, text),
        category=verdict.category,
        severity=verdict.severity,
        scores=signals.scores,
    )


def _most(scores: Iterable[Sequence[signals_pb2.Score]]) -> list[signals_pb2.Score]:
    """Of each category the highest of any part."""
    highest: dict[str, float] = {}
    for part in scores:
        for score in part:
            highest[score.category] = max(score.probability, highest.get(score.category, 0.0))
    return [signals_pb2.Score(category=name, probability=highest[name]) for name in sorted(highest)]


def _display_text(
    record: decision_record_pb2.DecisionRecord,
    position: int,
    signals: signals_pb2.Signals,
    outcome: verdict_pb2.Outcome.ValueType,
    text: str,
) -> str:
    if outcome == verdict_pb2.OUTCOME_ALLOW:
        return text
    if outcome == verdict_pb2.OUTCOME_MASK:
        return _masked(record, position, signals, text)
    return ""


def _masked(record: decision_record_pb2.DecisionRecord, position: int, signals: signals_pb2.Signals, text: str) -> str:
    """Covers what speaks for a category that a rule fired for; if none does, whatever detection pointed at; if it
    pointed at nothing, everything."""
    spans = speaking(signals, fired_for(record, position))
    if not spans:
        return mask_all(text)
    return mask(text, ((span.start, span.end) for span in spans))
