"""What rules may look at, and how it is handed to CEL: only what some rule reads, as plain variables.

A plain variable costs a tenth of a map to hand over, so `score["hate"]` becomes `score__hate` when a rule is compiled. All
of it has a value: an absent score is 0, and no rule fails for want of one.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import cel
from moat.detection.v1 import signals_pb2
from moat.enforcement.v1 import enforcement_pb2

from services.context.features import FEATURES
from services.detection.images.banks.categories import BANK_CATEGORIES
from services.detection.taxonomy import TAXONOMY, is_category
from services.routing.calibration.applying import Applied
from services.routing.document import CATEGORIES
from services.routing.views import Item, View

OF_CONTENT = ("detection", "deep_tier", "image_model", "image_text", "speech", "detectors")
"""What can be missing of detection: of each part of a content for itself."""
PARTS = (*OF_CONTENT, "context", "restrictions")
"""What can be missing."""
_LOOKED_AT = frozenset(("score", "term", "match", "detector"))
"""Maps that speak of the content."""
_RESTRICTIONS = {"muted": enforcement_pb2.EFFECT_KIND_MUTE, "banned": enforcement_pb2.EFFECT_KIND_BAN}
TEXTS = frozenset(("surface", "language", "kind", "carrier"))
"""Plain texts, read by their name."""
_TEXTS_OF_CONTENT = TEXTS - {"surface"}
_READ = re.compile(
    r"""(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"""|(?<![\w.])(?P<plain>surface|language|kind|carrier)\b"""
    r"""|(?<![\w.])(?P<map>[a-z]+)(?:\.(?P<name>\w+)|\[["'](?P<key>[^"']*)["']\])"""
)
"""A text, to be left alone; one of `TEXTS`; or one value of a map."""
_MOST_CALIBRATED = 512
"""Calibrations whose contexts are at hand, a few KB each; another one's is made again in microseconds."""


def _keys() -> dict[str, frozenset[str]]:
    keys = {
        "score": frozenset(CATEGORIES),
        "term": TAXONOMY | CATEGORIES,
        "match": BANK_CATEGORIES,
        "restricted": frozenset(_RESTRICTIONS),
        "missing": frozenset(PARTS),
    }
    for feature in FEATURES:
        subject, _, name = feature.partition(".")
        keys[subject] = keys.get(subject, frozenset()) | {name}
    return keys


_KEYS = _keys()
NAMES = frozenset((*_KEYS, *TEXTS, "limit", "detector"))
"""The words that rules may begin with."""


class Read(NamedTuple):
    """One value that a rule looks at: `score["hate"]` is Read("score", "hate")."""

    map: str
    key: str

    @property
    def variable(self) -> str:
        """What it is called in a compiled rule."""
        return self.map if self.map in TEXTS else f"{self.map}__{self.key.replace('.', '__')}"

    @property
    def is_of_content(self) -> bool:
        """Whether it may differ between the parts of one content."""
        return (
            self.map in _LOOKED_AT
            or self.map in _TEXTS_OF_CONTENT
            or (self.map == "missing" and self.key in OF_CONTENT)
        )


def flattened(expression: str, limits: Collection[str], detectors: Collection[str] = ()) -> tuple[str, frozenset[Read]]:
    """`expression` with a plain variable for each value that it reads, and those values; a text is a Read without a key.
    `limits` and `detectors` are the policy's own names. Raises ValueError for a name that is not known."""
    reads: set[Read] = set()

    def variable(found: re.Match[str]) -> str:
        if found["text"] is not None:
            return found[0]
        if found["plain"] is not None:
            reads.add(Read(found["plain"], ""))
            return found[0]
        read = Read(found["map"], found["key"] if found["key"] is not None else found["name"])
        if read.map == "detector":
            check_detector(read.key, detectors)
            reads.add(read)
            return read.variable
        keys = limits if read.map == "limit" else _KEYS.get(read.map)
        if keys is None:
            raise ValueError(f"{read.map!r} is not known; there are {', '.join(sorted(NAMES))}")
        if read.key not in keys:
            raise ValueError(f"{read.map} has no {read.key!r}; there are {', '.join(sorted(keys))}")
        reads.add(read)
        return read.variable

    return _READ.sub(variable, expression), frozenset(reads)


def check_detector(key: str, detectors: Collection[str]) -> None:
    """`key` is a detector's name, or that and a category: `house_rules.hate`. Raises ValueError for one that is not known."""
    name, _, category = key.partition(".")
    if name not in detectors:
        raise ValueError(
            f"detector has no {name!r}; `detectors` of the policy names {', '.join(sorted(detectors)) or 'none'}"
        )
    if category and not is_category(category):
        raise ValueError(f"detector {name!r} scores no {category!r}: that is no category of the taxonomy")


class Facts:
    """Makes the variables of items. One CEL context a surface, and one a calibration, is filled again for each item and each view
    of it: every variable in it is set anew, so nothing of one item is seen by the next. Not for two threads at once."""

    def __init__(self, reads: Iterable[Read], limits: Mapping[str, Mapping[str, float]]) -> None:
        """`reads`: all that any rule reads. `limits`: the policy's numbers by surface, `default` for the others."""
        wanted = sorted(reads)

        def of(*maps: str) -> list[tuple[str, str]]:
            return [(read.variable, read.key) for read in wanted if read.map in maps]

        self._scores, self._terms, self._missing = of("score"), of("term"), of("missing")
        self._matches, self._detectors = of("match"), of("detector")
        self._restrictions = [(variable, _RESTRICTIONS[key]) for variable, key in of("restricted")]
        self._features = [
            (read.variable, f"{read.map}.{read.key}") for read in wanted if f"{read.map}.{read.key}" in FEATURES
        ]
        self._limits = of("limit")
        self._numbers = {surface: {**limits["default"], **own} for surface, own in limits.items()}
        self._contexts = {surface: self._context(numbers) for surface, numbers in self._numbers.items()}
        self._calibrated: OrderedDict[str, cel.Context] = OrderedDict()

    def of(self, item: Item, calibrated: Applied | None = None) -> cel.Context:
        """The variables that are the same for all views of an item; `look` adds the others. Holds until the next item. With
        `calibrated` its limits take the place of the policy's."""
        if calibrated is None:
            context = self._contexts.get(item.surface) or self._contexts["default"]
        else:
            context = self._context_of(calibrated)
        add = context.add_variable
        add("surface", item.surface)
        features = item.features
        for variable, name in self._features:
            add(variable, features.get(name, 0.0))
        held = {restriction.kind for restriction in item.restrictions}
        for variable, kind in self._restrictions:
            add(variable, kind in held)
        return context

    def _context(self, numbers: Mapping[str, float]) -> cel.Context:
        return cel.Context(variables={variable: numbers[key] for variable, key in self._limits})

    def _context_of(self, calibrated: Applied) -> cel.Context:
        context = self._calibrated.get(calibrated.name)
        if context is None:
            own = self._numbers.get(calibrated.surface) or self._numbers["default"]
            context = self._calibrated[calibrated.name] = self._context({**own, **calibrated.limits})
            if len(self._calibrated) > _MOST_CALIBRATED:
                self._calibrated.popitem(last=False)
        else:
            self._calibrated.move_to_end(calibrated.name)
        return context

    def look(self, context: cel.Context, item: Item, view: View) -> None:
        """Adds the variables of one view, until the next is looked at."""
        add, signals = context.add_variable, view.signals
        add("language", signals.language or "und")
        add("kind", view.kind)
        add("carrier", view.carrier)
        scores = {one.category: one.probability for one in signals.scores}
        for variable, category in self._scores:
            add(variable, scores.get(category, 0.0))
        listed = {span.category for span in signals.spans if span.source == "terms"}
        for variable, category in self._terms:
            add(variable, category in listed)
        known = {match.category for match in signals.matches if not match.negative and not match.cancelled}
        for variable, category in self._matches:
            add(variable, category in known)
        if self._detectors:
            said = _said(signals)
            for variable, key in self._detectors:
                add(variable, said.get(key, 0.0))
        missing = missing_of(item, view) if self._missing else ()
        for variable, part in self._missing:
            add(variable, part in missing)


def _said(signals: signals_pb2.Signals) -> dict[str, float]:
    """By detector the most that it says, and by detector and category what it says of that."""
    said: dict[str, float] = {}
    for finding in signals.detectors:
        for one in finding.scores:
            said[f"{finding.name}.{one.category}"] = one.probability
            said[finding.name] = max(said.get(finding.name, 0.0), one.probability)
    return said


def missing_of(item: Item, view: View) -> list[str]:
    """What is missing for a view, in the order of `PARTS`."""
    if not (item.missing or view.missing or view.signals.degraded):
        return []
    gone = {part for part in item.missing if part not in OF_CONTENT} | set(view.signals.degraded)
    if view.missing:
        gone.add("detection")
    return [part for part in PARTS if part in gone]
