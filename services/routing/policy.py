"""A policy that is ready to decide: rules compiled, examples held."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cel
from moat.enforcement.v1 import enforcement_pb2
from moat.routing.v1 import verdict_pb2

from services.routing.calibration.applying import NONE, Applied, Calibrations
from services.routing.document import Example, Missing, Mode, PolicyDocument, RuleWanted
from services.routing.facts import NAMES, OF_CONTENT, PARTS, Facts, Read, check_detector, flattened, missing_of
from services.routing.merging import ALLOW, DROP, HOLD, Fired, evidence_parts, merge, outcome, part_verdict
from services.routing.views import Item, View, views_of
from services.runtime.logs import log

_MOST_NESTING = 12
_OUTCOME_WHEN_MISSING = {Mode.HOLD: HOLD, Mode.BLOCK: DROP}


class BadPolicy(ValueError):
    """A policy that cannot be used; the message names the rule or example and what is wrong."""


@dataclass(frozen=True, slots=True)
class _Rule:
    wanted: RuleWanted
    program: Any
    reads: frozenset[Read]

    @property
    def is_about_parts(self) -> bool:
        """Whether it may hold for one part and not for another."""
        return any(read.is_of_content for read in self.reads)


class Policy:
    """Decides items. Deterministic: the same item under the same calibrations gives the same verdict, bit for bit."""

    def __init__(self, document: PolicyDocument) -> None:
        """Raises BadPolicy."""
        self.document = document
        rules = [_compile(rule, document.limits, document.detectors) for rule in document.rules]
        self._rules = [(number, rule, rule.is_about_parts) for number, rule in enumerate(rules)]
        self._facts = Facts({read for rule in rules for read in rule.reads}, document.limits)
        self._reference = verdict_pb2.PolicyRef(
            name=document.name, version=document.version, content_hash=document.content_hash
        )
        for example in document.tests:
            _hold(self, example)

    def decide(self, item: Item, calibrations: Calibrations = NONE) -> verdict_pb2.Verdict:
        """All rules look at every part, and at the words that it carries; those about the author or the place look once. What
        they ask for is merged. A rule that fails has no effect and is named. `calibrations`: limits of places of their own."""
        verdict = verdict_pb2.Verdict(policy=self._reference)
        views = views_of(item)
        fired = self._fired(item, views, verdict, calibrations.of(item))
        merge(verdict, fired)
        parts = [(view.part, view.kind) for view in views if not view.carrier]
        decided = [part_verdict(fired, part, kind) for part, kind in parts]
        self._answer_missing(verdict, item, views, decided)
        verdict.outcome = max(part.outcome for part in decided)
        verdict.evidence_parts.extend(evidence_parts(fired, [kind for _, kind in parts]))
        if item.parts:
            verdict.parts.extend(decided)
        return verdict

    def _fired(
        self, item: Item, views: Sequence[View], verdict: verdict_pb2.Verdict, calibration: Applied | None
    ) -> list[Fired]:
        filled: dict[Applied | None, cel.Context] = {}
        parts: dict[int, dict[int, None]] = {}
        failed: dict[str, None] = {}
        for number, view in enumerate(views):
            applied = calibration if calibration is not None and calibration.holds_for(view) else None
            facts = filled.get(applied)
            if facts is None:
                facts = filled[applied] = self._facts.of(item, applied)
            self._facts.look(facts, item, view)
            for position, rule, is_about_parts in self._rules:
                if number and not is_about_parts:
                    continue
                try:
                    holds = rule.program.execute(facts)
                except Exception as error:  # noqa: BLE001 - whatever a rule trips over, the others still count
                    log.warning("rule_failed", rule=rule.wanted.id, error=type(error).__name__)
                    failed[rule.wanted.id] = None
                    continue
                if holds is True:
                    seen = parts.setdefault(position, {})
                    if is_about_parts:
                        seen[view.part] = None
        verdict.failed_rule_ids.extend(failed)
        if calibration in filled and calibration is not None:
            verdict.calibration = calibration.name
        return [Fired(rule.wanted, tuple(parts[position])) for position, rule, _ in self._rules if position in parts]

    def _answer_missing(
        self,
        verdict: verdict_pb2.Verdict,
        item: Item,
        views: Sequence[View],
        decided: Sequence[verdict_pb2.PartVerdict],
    ) -> None:
        answers = self.document.missing.get(item.surface) or self.document.missing["default"]
        gone: set[str] = set()
        for view in views:
            part = decided[view.part]
            for name in missing_of(item, view):
                gone.add(name)
                answer = _OUTCOME_WHEN_MISSING.get(_mode(answers, name), ALLOW)
                part.outcome = outcome(max(int(part.outcome), answer))
        verdict.degraded.extend(f"{name}:{_mode(answers, name).value}" for name in PARTS if name in gone)


def _mode(answers: Missing, part: str) -> Mode:
    mode: Mode = getattr(answers, part)
    return mode


def _compile(rule: RuleWanted, limits: Mapping[str, Mapping[str, float]], detectors: Sequence[str]) -> _Rule:
    depth = deepest = 0
    for character in rule.when:
        depth += character in "([{"
        depth -= character in ")]}"
        deepest = max(deepest, depth)
    if deepest > _MOST_NESTING:
        raise BadPolicy(f"rule {rule.id}: nested deeper than {_MOST_NESTING}")
    try:
        expression, reads = flattened(rule.when, limits["default"], detectors)
        program = cel.compile(expression)
    except ValueError as error:
        raise BadPolicy(f"rule {rule.id}: {error}") from None
    # On an item about which nothing is known every name is looked up: a misspelt one shows here and not at night.
    unknown = set(program.variables()) - {read.variable for read in reads}
    if unknown:
        raise BadPolicy(f"rule {rule.id}: {sorted(unknown)} are not known; there are {sorted(NAMES)}")
    compiled = _Rule(rule, program, reads)
    if rule.keep_evidence and not compiled.is_about_parts:
        raise BadPolicy(f"rule {rule.id}: keep_evidence needs a condition on the content, to say which files are kept")
    try:
        holds = program.execute(_facts_of_nothing(reads, limits))
    except Exception as error:  # noqa: BLE001 - whatever it trips over, it must not decide
        raise BadPolicy(f"rule {rule.id}: {type(error).__name__}: {error}") from None
    if not isinstance(holds, bool):
        raise BadPolicy(f"rule {rule.id}: must be true or false, is {type(holds).__name__}")
    return compiled


def _facts_of_nothing(reads: frozenset[Read], limits: Mapping[str, Mapping[str, float]]) -> cel.Context:
    item, facts = Item(), Facts(reads, limits)
    context = facts.of(item)
    facts.look(context, item, views_of(item)[0])
    return context


def _hold(policy: Policy, example: Example) -> None:
    for key in example.detectors:
        try:
            check_detector(key, policy.document.detectors)
        except ValueError as error:
            raise BadPolicy(f"test {example.name!r}: {error}") from None
    verdict = policy.decide(_item(example))
    if verdict.failed_rule_ids:
        raise BadPolicy(f"test {example.name!r}: rules failed: {list(verdict.failed_rule_ids)}")
    for what, expected, found in _comparisons(example, verdict):
        if expected is not None and expected != found:
            raise BadPolicy(f"test {example.name!r}: expected {what}{expected}, is {found}")


def _comparisons(example: Example, verdict: verdict_pb2.Verdict) -> Iterator[tuple[str, object, object]]:
    yield "", example.expect, verdict_pb2.Outcome.Name(verdict.outcome).removeprefix("OUTCOME_")
    kinds = [enforcement_pb2.EffectKind.Name(effect.kind).removeprefix("EFFECT_KIND_") for effect in verdict.effects]
    yield "effects ", None if example.effects is None else sorted(example.effects), sorted(kinds)
    yield "evidence ", example.evidence, bool(verdict.evidence_parts)


def _item(example: Example) -> Item:
    item = Item(surface=example.surface, features=example.features)
    kind = example.carrier or example.kind
    if kind == "image":
        item.signals.image.pdq_quality = 100
    elif kind == "audio":
        item.signals.audio.duration_millis = 1000
    said = item.signals.carried.signals if example.carrier else item.signals
    for name in example.missing:
        found_missing = name in OF_CONTENT and name != "detection"
        (item.signals.degraded if found_missing else item.missing).append(name)
    for category, probability in sorted(example.scores.items()):
        said.scores.add(category=category, probability=probability)
    for category in example.terms:
        said.spans.add(category=category, source="terms", end=1)
    for key, probability in sorted(example.detectors.items()):
        name, _, category = key.partition(".")
        said.detectors.add(name=name, state="answered").scores.add(category=category, probability=probability)
    for category in example.matches:
        item.signals.matches.add(category=category, bank="test")
    for name in example.restrictions:
        item.restrictions.add(kind=enforcement_pb2.EffectKind.Value(f"EFFECT_KIND_{name}"))
    return item
