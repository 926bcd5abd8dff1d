"""What in the content a decision rests on, and where; made from its record alone. Pure."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from moat.detection.v1 import signals_pb2
from moat.moderation.v1 import moderation_pb2

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from moat.audit.v1 import decision_record_pb2

    Finding = moderation_pb2.Finding

_MOST = 64


def signals_of(record: decision_record_pb2.DecisionRecord) -> list[signals_pb2.Signals]:
    """By part; without any where detection is missing."""
    return [part.signals for part in record.parts] if record.parts else [record.signals]


def speaking(signals: signals_pb2.Signals, fired: Collection[str]) -> list[signals_pb2.Span]:
    """The spans that speak for a category that a rule fired for; if none does, all that detection pointed at."""
    return [span for span in signals.spans if span.category in fired] or list(signals.spans)


def counting(signals: signals_pb2.Signals, fired: Collection[str]) -> list[signals_pb2.HashMatch]:
    """The matches that speak, likewise."""
    known = [match for match in signals.matches if not (match.negative or match.cancelled)]
    return [match for match in known if match.category in fired] or known


def fired_for(record: decision_record_pb2.DecisionRecord, part: int) -> set[str]:
    """The categories of the rules that fired for a part, and of the effects that they asked for."""
    rules = [rule for rule in record.verdict.rules if not rule.parts or part in rule.parts]
    ids = {rule.rule_id for rule in rules}
    effects = {
        effect.category for effect in record.verdict.effects if not effect.rule_ids or ids & set(effect.rule_ids)
    }
    return {rule.category for rule in rules} | effects


def findings_of(record: decision_record_pb2.DecisionRecord) -> list[Finding]:
    """At most 64, by part. None of a part for which no rule fired."""
    parts = {part for rule in record.verdict.rules for part in rule.parts}
    found: list[Finding] = []
    for part, signals in enumerate(signals_of(record)):
        if part in parts:
            fired = fired_for(record, part)
            found += list(islice(_of_part(part, signals, fired), _MOST)) or [_as_a_whole(part, signals, record)]
    return found[:_MOST]


def _of_part(part: int, signals: signals_pb2.Signals, fired: Collection[str]) -> Iterator[Finding]:
    for span in speaking(signals, fired):
        finding = moderation_pb2.Finding(part=part, category=span.category, source=span.source)
        finding.text.start, finding.text.end = span.start, span.end
        yield finding
    if signals.HasField("carried"):
        yield from _of_words(part, signals.carried, fired)
    for match in counting(signals, fired):
        yield moderation_pb2.Finding(part=part, category=match.category, source="hash_banks")


def _as_a_whole(part: int, signals: signals_pb2.Signals, record: decision_record_pb2.DecisionRecord) -> Finding:
    """Where nobody can say where: by the last tier that was asked."""
    rules = [rule for rule in record.verdict.rules if part in rule.parts]
    severest = max(rules, key=lambda rule: rule.severity)
    source = signals.tiers[-1].name if signals.tiers else ""
    return moderation_pb2.Finding(part=part, category=severest.category, source=source)


def _of_words(part: int, carried: signals_pb2.CarriedText, fired: Collection[str]) -> Iterator[Finding]:
    for span in speaking(carried.signals, fired):
        for place in _places(carried.places, span):
            finding = moderation_pb2.Finding(part=part, category=span.category, source=span.source)
            if place.HasField("box"):
                finding.box.CopyFrom(place.box)
            else:
                finding.interval.CopyFrom(place.interval)
            yield finding


def _places(places: Iterable[signals_pb2.Place], span: signals_pb2.Span) -> Iterator[signals_pb2.Place]:
    return (place for place in places if place.start < span.end and span.start < place.end)
