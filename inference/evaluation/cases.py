"""Functional cases: lines written here, each with what the default policy should make of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from moat.detection.v1 import signals_pb2

from services.routing.loading import load
from services.routing.views import Item

ROOT = Path(__file__).resolve().parents[2]
_FOLDER = Path(__file__).parent / "cases"
POLICY = ROOT / "config" / "policies" / "default.yaml"
_COSMETIC = frozenset(("profanity_masked",))
"""A swear word is masked in any line; that is no judgement of the line."""


@dataclass(frozen=True, slots=True)
class Case:
    """A line and the verdict it should get."""

    kind: str
    text: str
    act: bool


def functional(half: str) -> list[Case]:
    """`dev` may guide development; `test` may not."""
    document = yaml.safe_load((_FOLDER / f"{half}.yaml").read_text())
    return [Case(kind, text, group["expect"] == "act") for kind, group in document.items() for text in group["cases"]]


def benign_chat() -> list[Case]:
    """Ordinary lines of game chat; the kind is the language."""
    document = yaml.safe_load((_FOLDER / "chat.yaml").read_text())
    return [Case(language, text, act=False) for language, texts in document.items() for text in texts]


def acted(signals: Sequence[signals_pb2.Signals]) -> list[list[str]]:
    """For each line the rules of the default policy that fire on it, by themselves and without any history."""
    policy = load(POLICY)
    found = []
    for one in signals:
        item = Item(surface="chat")
        item.signals.CopyFrom(one)
        found.append([rule.rule_id for rule in policy.decide(item).rules if rule.rule_id not in _COSMETIC])
    return found
