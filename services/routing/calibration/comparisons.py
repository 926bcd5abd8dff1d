"""Which limits of a policy are held against which category's score: those can be calibrated, the others not."""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

import orjson

from services.routing.document import PolicyDocument, RuleWanted

_SCORE = r"""score\[["'](?P<{0}>[^"']+)["']\]"""
_LIMIT = r"limit\.(?P<{0}>\w+)"
_COMPARED = re.compile(
    rf"{_SCORE.format('category')}\s*>=\s*{_LIMIT.format('limit')}(?!\s*[-+*/%.\w])"
    rf"|{_LIMIT.format('first')}\s*<=\s*{_SCORE.format('second')}"
)
_READ = re.compile(r"(?<![\w.])limit\.(\w+)")
_NOT_PLAIN = re.compile(r"!(?!=)|\?|\b(?:true|false)\b")
"""What may turn a comparison round, so that more would be caught by a higher limit."""
_SURE_OF_TEXT = re.compile(r"""kind\s*==\s*["']text["']""")
_KIND = re.compile(r"(?<![\w.])kind\b")


class Compared(NamedTuple):
    """A limit, and what it is held against."""

    category: str
    problem: str
    """Why it cannot be calibrated; empty if it can."""


def compared(policy: PolicyDocument) -> dict[str, Compared]:
    """By limit, in the policy's order."""
    found: dict[str, Compared] = {}
    for limit in policy.limits["default"]:
        rules = [rule for rule in policy.rules if limit in _READ.findall(rule.when)]
        found[limit] = _of(limit, rules)
    return found


def basis(policy: PolicyDocument, surface: str) -> str:
    """Digest of what calibrated limits on a surface stand on: the policy's numbers there, and the conditions and effects of the
    rules that read them. Another notice, or a rule without limits, does not change it."""
    rules = [
        [rule.id, rule.when, [effect.model_dump(mode="json") for effect in rule.effects]]
        for rule in policy.rules
        if _READ.search(rule.when)
    ]
    stands_on = [policy.name, own_limits(policy, surface), rules]
    return hashlib.sha256(orjson.dumps(stands_on, option=orjson.OPT_SORT_KEYS)).hexdigest()


def own_limits(policy: PolicyDocument, surface: str) -> dict[str, float]:
    """The policy's numbers on a surface."""
    return {**policy.limits["default"], **policy.limits.get(surface, {})}


def _of(limit: str, rules: list[RuleWanted]) -> Compared:
    if not rules:
        return Compared("", "no rule reads it")
    categories: dict[str, None] = {}
    for rule in rules:
        of_rule = [match["category"] or match["second"] for match in _matches(rule, limit)]
        if len(of_rule) != _READ.findall(rule.when).count(limit):
            return Compared("", f'rule {rule.id} does more with it than score["…"] >= limit.{limit}')
        if _NOT_PLAIN.search(_without_texts(rule.when)):
            return Compared("", f"rule {rule.id} may turn the comparison round")
        if _KIND.search(_without_texts(rule.when)) and not _SURE_OF_TEXT.search(rule.when):
            return Compared("", f"rule {rule.id} is not about texts alone")
        categories.update(dict.fromkeys(of_rule))
    if len(categories) > 1:
        return Compared("", f"it is held against {' and '.join(categories)}; give each a limit of its own")
    return Compared(next(iter(categories)), "")


def _matches(rule: RuleWanted, limit: str) -> list[re.Match[str]]:
    return [match for match in _COMPARED.finditer(rule.when) if (match["limit"] or match["first"]) == limit]


def _without_texts(expression: str) -> str:
    return re.sub(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'""", '""', expression)
