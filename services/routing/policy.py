"""A policy that is ready to decide: rules compiled, examples held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import cel
from google.protobuf import duration_pb2
from moat.enforcement.v1 import enforcement_pb2
from moat.routing.v1 import verdict_pb2

from services.routing.document import EffectWanted, Example, Missing, Mode, PolicyDocument, RuleWanted
from services.routing.facts import NAMES, TEXTS, Facts, Item, Read, flattened, is_image, missing_of
from services.runtime.logs import log

_MOST_NESTING = 12
_OUTCOME_OF: dict[int, int] = {
    enforcement_pb2.EFFECT_KIND_MASK: verdict_pb2.OUTCOME_MASK,
    enforcement_pb2.EFFECT_KIND_HOLD: verdict_pb2.OUTCOME_HOLD,
    enforcement_pb2.EFFECT_KIND_DROP: verdict_pb2.OUTCOME_DROP,
}
_OUTCOME_WHEN_MISSING: dict[Mode, int] = {Mode.HOLD: verdict_pb2.OUTCOME_HOLD, Mode.BLOCK: verdict_pb2.OUTCOME_DROP}


class BadPolicy(ValueError):
    """A policy that cannot be used; the message names the rule or example and what is wrong."""


@dataclass(frozen=True, slots=True)
class _Rule:
    wanted: RuleWanted
    program: Any
    reads: frozenset[Read]


class Policy:
    """Decides items. Deterministic: the same item gives the same verdict, bit for bit."""

    def __init__(self, document: PolicyDocument) -> None:
        """Raises BadPolicy."""
        self.document = document
        self._rules = [_compile(rule, document.limits) for rule in document.rules]
        self._facts = Facts({read for rule in self._rules for read in rule.reads}, document.limits)
        self._reference = verdict_pb2.PolicyRef(
            name=document.name, version=document.version, content_hash=document.content_hash
        )
        for example in document.tests:
            _hold(self, example)

    def decide(self, item: Item) -> verdict_pb2.Verdict:
        """All rules run; what they ask for is merged. A rule that fails has no effect and is named."""
        facts = self._facts.of(item)
        fired: list[RuleWanted] = []
        verdict = verdict_pb2.Verdict(policy=self._reference)
        for rule in self._rules:
            try:
                holds = rule.program.execute(facts)
            except Exception as error:  # noqa: BLE001 - whatever a rule trips over, the others still count
                log.warning("rule_failed", rule=rule.wanted.id, error=type(error).__name__)
                verdict.failed_rule_ids.append(rule.wanted.id)
                continue
            if holds is True:
                fired.append(rule.wanted)
        _merge(verdict, fired)
        if verdict.outcome == verdict_pb2.OUTCOME_MASK and is_image(item):
            # Nothing can be covered in a picture here, and it must not be shown as if something had been.
            verdict.outcome = verdict_pb2.OUTCOME_HOLD
        self._answer_missing(verdict, item)
        return verdict

    def _answer_missing(self, verdict: verdict_pb2.Verdict, item: Item) -> None:
        answers = self.document.missing.get(item.surface) or self.document.missing["default"]
        for part in missing_of(item):
            mode = _mode(answers, part)
            verdict.degraded.append(f"{part}:{mode.value}")
            stricter = max(int(verdict.outcome), _OUTCOME_WHEN_MISSING.get(mode, int(verdict_pb2.OUTCOME_ALLOW)))
            verdict.outcome = cast("verdict_pb2.Outcome.ValueType", stricter)


def _mode(answers: Missing, part: str) -> Mode:
    mode: Mode = getattr(answers, part)
    return mode


def _compile(rule: RuleWanted, limits: Mapping[str, Mapping[str, float]]) -> _Rule:
    depth = deepest = 0
    for character in rule.when:
        depth += character in "([{"
        depth -= character in ")]}"
        deepest = max(deepest, depth)
    if deepest > _MOST_NESTING:
        raise BadPolicy(f"rule {rule.id}: nested deeper than {_MOST_NESTING}")
    try:
        expression, reads = flattened(rule.when, limits["default"])
        program = cel.compile(expression)
    except ValueError as error:
        raise BadPolicy(f"rule {rule.id}: {error}") from None
    # On an item about which nothing is known every name is looked up: a misspelt one shows here and not at night.
    unknown = set(program.variables()) - {read.variable for read in reads} - TEXTS
    if unknown:
        raise BadPolicy(f"rule {rule.id}: {sorted(unknown)} are not known; there are {sorted(NAMES)}")
    try:
        outcome = program.execute(Facts(reads, limits).of(Item()))
    except Exception as error:  # noqa: BLE001 - whatever it trips over, it must not decide
        raise BadPolicy(f"rule {rule.id}: {type(error).__name__}: {error}") from None
    if not isinstance(outcome, bool):
        raise BadPolicy(f"rule {rule.id}: must be true or false, is {type(outcome).__name__}")
    return _Rule(rule, program, reads)


def _merge(verdict: verdict_pb2.Verdict, fired: Sequence[RuleWanted]) -> None:
    by_kind: dict[int, tuple[EffectWanted, RuleWanted, list[str]]] = {}
    outcome = int(verdict_pb2.OUTCOME_ALLOW)
    worst: RuleWanted | None = None
    for rule in fired:
        verdict.rules.add(rule_id=rule.id, category=rule.category, severity=rule.severity)
        if worst is None or rule.severity > worst.severity:
            worst = rule
        for effect in rule.effects:
            outcome = max(outcome, _OUTCOME_OF.get(effect.number, int(verdict_pb2.OUTCOME_ALLOW)))
            there = by_kind.get(effect.number)
            ids = [*(there[2] if there else ()), rule.id]
            by_kind[effect.number] = (
                (effect, rule, ids) if not there or _longer(effect, there[0]) else (*there[:2], ids)
            )
    verdict.outcome = cast("verdict_pb2.Outcome.ValueType", outcome)
    for kind in sorted(by_kind):
        effect, rule, ids = by_kind[kind]
        duration = None if effect.seconds is None else duration_pb2.Duration(seconds=effect.seconds)
        number = cast("enforcement_pb2.EffectKind.ValueType", kind)
        verdict.effects.add(kind=number, duration=duration, category=rule.category, rule_ids=sorted(ids))
    if worst is not None:
        verdict.category, verdict.severity = worst.category, worst.severity
        verdict.queue = next((rule.queue for rule in _by_severity(fired) if rule.queue), "")
        verdict.notice = next((rule.notice for rule in _by_severity(fired) if rule.notice), "")


def _by_severity(fired: Sequence[RuleWanted]) -> list[RuleWanted]:
    return sorted(fired, key=lambda rule: -rule.severity)


def _longer(one: EffectWanted, other: EffectWanted) -> bool:
    """For ever is longest."""
    if other.seconds is None:
        return False
    return one.seconds is None or one.seconds > other.seconds


def _hold(policy: Policy, example: Example) -> None:
    item = Item(surface=example.surface, missing=example.missing, features=example.features)
    for category, probability in sorted(example.scores.items()):
        item.signals.scores.add(category=category, probability=probability)
    for category in example.terms:
        item.signals.spans.add(category=category, source="terms", end=1)
    if example.kind == "image":
        item.signals.image.pdq_quality = 100
    for category in example.matches:
        item.signals.matches.add(category=category, bank="test")
    for kind in example.restrictions:
        item.restrictions.add(kind=enforcement_pb2.EffectKind.Value(f"EFFECT_KIND_{kind}"))
    verdict = policy.decide(item)
    outcome = verdict_pb2.Outcome.Name(verdict.outcome).removeprefix("OUTCOME_")
    if verdict.failed_rule_ids:
        raise BadPolicy(f"test {example.name!r}: rules failed: {list(verdict.failed_rule_ids)}")
    if outcome != example.expect:
        raise BadPolicy(f"test {example.name!r}: expected {example.expect}, is {outcome}")
    kinds = [enforcement_pb2.EffectKind.Name(effect.kind).removeprefix("EFFECT_KIND_") for effect in verdict.effects]
    if example.effects is not None and sorted(example.effects) != sorted(kinds):
        raise BadPolicy(f"test {example.name!r}: expected effects {sorted(example.effects)}, are {sorted(kinds)}")
