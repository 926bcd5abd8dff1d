"""What rules may look at, and how it is handed to CEL: only what some rule reads, as plain variables.

A plain variable costs a tenth of a map to hand over, so `score["hate"]` becomes `score__hate` when a rule is compiled. All
of it has a value: an absent score is 0, and no rule fails for want of one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import cel
from moat.enforcement.v1 import enforcement_pb2
from moat.routing.v1 import routing_service_pb2

from services.context.features import FEATURES
from services.detection.images.banks.categories import BANK_CATEGORIES
from services.routing.document import CATEGORIES

Item = routing_service_pb2.VerdictItem

PARTS = ("detection", "deep_tier", "image_model", "context", "restrictions")
"""What can be missing."""
_RESTRICTIONS = {"muted": enforcement_pb2.EFFECT_KIND_MUTE, "banned": enforcement_pb2.EFFECT_KIND_BAN}
TEXTS = frozenset(("surface", "language", "kind"))
"""Plain texts, read by their name."""
_READ = re.compile(
    r"""(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"""|(?<![\w.])(?P<map>[a-z]+)(?:\.(?P<name>\w+)|\[["'](?P<key>[^"']*)["']\])"""
)
"""A text, to be left alone, or one value of a map."""


def _keys() -> dict[str, frozenset[str]]:
    keys = {
        "score": frozenset(CATEGORIES),
        "term": frozenset(CATEGORIES),
        "match": BANK_CATEGORIES,
        "restricted": frozenset(_RESTRICTIONS),
        "missing": frozenset(PARTS),
    }
    for feature in FEATURES:
        subject, _, name = feature.partition(".")
        keys[subject] = keys.get(subject, frozenset()) | {name}
    return keys


_KEYS = _keys()
NAMES = frozenset((*_KEYS, *TEXTS, "limit"))
"""The words that rules may begin with."""


class Read(NamedTuple):
    """One value that a rule looks at: `score["hate"]` is Read("score", "hate")."""

    map: str
    key: str

    @property
    def variable(self) -> str:
        """What it is called in a compiled rule."""
        return f"{self.map}__{self.key.replace('.', '__')}"


def flattened(expression: str, limits: Collection[str]) -> tuple[str, frozenset[Read]]:
    """`expression` with a plain variable for each value that it reads, and those values. Raises ValueError for a name
    that is not known."""
    reads: set[Read] = set()

    def variable(found: re.Match[str]) -> str:
        if found["text"] is not None or found["map"] in TEXTS:
            return found[0]
        read = Read(found["map"], found["key"] if found["key"] is not None else found["name"])
        keys = limits if read.map == "limit" else _KEYS.get(read.map)
        if keys is None:
            raise ValueError(f"{read.map!r} is not known; there are {', '.join(sorted(NAMES))}")
        if read.key not in keys:
            raise ValueError(f"{read.map} has no {read.key!r}; there are {', '.join(sorted(keys))}")
        reads.add(read)
        return read.variable

    return _READ.sub(variable, expression), frozenset(reads)


class Facts:
    """Makes the variables of items. One CEL context a surface is filled again for each item: every variable in it is set
    anew, so nothing of one item is seen by the next. Not for two threads at once."""

    def __init__(self, reads: Iterable[Read], limits: Mapping[str, Mapping[str, float]]) -> None:
        """`reads`: all that any rule reads. `limits`: the policy's numbers by surface, `default` for the others."""
        wanted = sorted(reads)

        def of(*maps: str) -> list[tuple[str, str]]:
            return [(read.variable, read.key) for read in wanted if read.map in maps]

        self._scores, self._terms, self._missing = of("score"), of("term"), of("missing")
        self._matches = of("match")
        self._restrictions = [(variable, _RESTRICTIONS[key]) for variable, key in of("restricted")]
        self._features = [
            (read.variable, f"{read.map}.{read.key}") for read in wanted if f"{read.map}.{read.key}" in FEATURES
        ]
        self._contexts: dict[str, cel.Context] = {}
        for surface, own in limits.items():
            numbers = {**limits["default"], **own}
            self._contexts[surface] = cel.Context(variables={variable: numbers[key] for variable, key in of("limit")})

    def of(self, item: Item) -> cel.Context:
        """The variables of one item, until the next is asked for."""
        context = self._contexts.get(item.surface) or self._contexts["default"]
        add = context.add_variable
        add("surface", item.surface)
        add("language", item.signals.language or "und")
        add("kind", "image" if is_image(item) else "text")
        scores = {one.category: one.probability for one in item.signals.scores}
        for variable, category in self._scores:
            add(variable, scores.get(category, 0.0))
        listed = {span.category for span in item.signals.spans if span.source == "terms"}
        for variable, category in self._terms:
            add(variable, category in listed)
        known = {match.category for match in item.signals.matches if not match.negative and not match.cancelled}
        for variable, category in self._matches:
            add(variable, category in known)
        features = item.features
        for variable, name in self._features:
            add(variable, features.get(name, 0.0))
        held = {restriction.kind for restriction in item.restrictions}
        for variable, kind in self._restrictions:
            add(variable, kind in held)
        missing = missing_of(item) if self._missing else ()
        for variable, part in self._missing:
            add(variable, part in missing)
        return context


def is_image(item: Item) -> bool:
    """Whether it is known to be a picture; while detection is missing that is not known."""
    return item.signals.HasField("image")


def missing_of(item: Item) -> list[str]:
    """The parts that are missing, in the order of `PARTS`."""
    if not item.missing and not item.signals.degraded:
        return []
    gone = {*item.missing, *item.signals.degraded}
    return [part for part in PARTS if part in gone]
