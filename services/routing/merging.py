"""What the rules that fired come to together. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast

from google.protobuf import duration_pb2
from moat.enforcement.v1 import enforcement_pb2
from moat.routing.v1 import verdict_pb2

from services.routing.document import EffectWanted, RuleWanted

ALLOW, MASK, HOLD, DROP = (
    int(verdict_pb2.OUTCOME_ALLOW),
    int(verdict_pb2.OUTCOME_MASK),
    int(verdict_pb2.OUTCOME_HOLD),
    int(verdict_pb2.OUTCOME_DROP),
)
_OUTCOME_OF: dict[int, int] = {
    enforcement_pb2.EFFECT_KIND_MASK: MASK,
    enforcement_pb2.EFFECT_KIND_HOLD: HOLD,
    enforcement_pb2.EFFECT_KIND_DROP: DROP,
}


class Fired(NamedTuple):
    """A rule that fired."""

    rule: RuleWanted
    parts: tuple[int, ...]
    """For which parts; empty for a rule that is about the author or the place."""


def outcome(number: int) -> verdict_pb2.Outcome.ValueType:
    """For the type checker: enums are numbers."""
    return cast("verdict_pb2.Outcome.ValueType", number)


def merge(verdict: verdict_pb2.Verdict, fired: Sequence[Fired]) -> None:
    """Adds rules, effects (one of a kind, the longest), and what the severest rule says."""
    for one in fired:
        verdict.rules.add(rule_id=one.rule.id, category=one.rule.category, severity=one.rule.severity, parts=one.parts)
    _add_effects(verdict, [one.rule for one in fired])
    severest = sorted((one.rule for one in fired), key=lambda rule: -rule.severity)
    if severest:
        verdict.category, verdict.severity = severest[0].category, severest[0].severity
        verdict.queue = next((rule.queue for rule in severest if rule.queue), "")
        verdict.notice = next((rule.notice for rule in severest if rule.notice), "")


def part_verdict(fired: Iterable[Fired], part: int, kind: str) -> verdict_pb2.PartVerdict:
    """What the rules that fired for one part, and those about no part, come to."""
    found = verdict_pb2.PartVerdict(outcome=verdict_pb2.OUTCOME_ALLOW)
    strictest, severity = ALLOW, -1
    for rule, parts in fired:
        if parts and part not in parts:
            continue
        strictest = max(strictest, *(_OUTCOME_OF.get(effect.number, ALLOW) for effect in rule.effects), ALLOW)
        if rule.severity > severity:
            severity, found.category, found.severity = rule.severity, rule.category, rule.severity
    if strictest == MASK and kind != "text":
        # Nothing can be covered in a picture or a clip here, and it must not be shown as if something had been.
        strictest = HOLD
    found.outcome = outcome(strictest)
    return found


def evidence_parts(fired: Iterable[Fired], kinds: Sequence[str]) -> list[int]:
    """Positions of the files that a rule which fired for them wants kept."""
    wanted = {part for rule, parts in fired if rule.keep_evidence for part in parts}
    return sorted(part for part in wanted if kinds[part] != "text")


def _add_effects(verdict: verdict_pb2.Verdict, rules: Sequence[RuleWanted]) -> None:
    by_kind: dict[int, tuple[EffectWanted, RuleWanted, list[str]]] = {}
    for rule in rules:
        for effect in rule.effects:
            there = by_kind.get(effect.number)
            ids = [*(there[2] if there else ()), rule.id]
            longest = (effect, rule) if not there or _longer(effect, there[0]) else there[:2]
            by_kind[effect.number] = (*longest, ids)
    for kind in sorted(by_kind):
        effect, rule, ids = by_kind[kind]
        duration = None if effect.seconds is None else duration_pb2.Duration(seconds=effect.seconds)
        number = cast("enforcement_pb2.EffectKind.ValueType", kind)
        verdict.effects.add(kind=number, duration=duration, category=rule.category, rule_ids=sorted(ids))


def _longer(one: EffectWanted, other: EffectWanted) -> bool:
    """For ever is longest."""
    if other.seconds is None:
        return False
    return one.seconds is None or one.seconds > other.seconds
