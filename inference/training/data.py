"""Reads labelled lines: a folder of gzip'd JSON lines, `{"text", "labels": {name: 0 or 1}}`, one file a source. A label that
is absent is unknown, not negative."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.detection.categories import LABELS
from services.detection.normalise import normalise

SHARE_ALIKE = frozenset(("told_br", "kmhas", "stormfront", "wiki_cat", "convai_wiki"))
"""Left out unless asked for: whether weights learned from them are bound by their licence is not settled."""


@dataclass(frozen=True, slots=True)
class Line:
    """A labelled line, normalised unless it was asked for raw."""

    text: str
    labels: tuple[float, ...]
    """One a category: 1, 0, or NaN for unknown."""
    source: str
    language: str = ""


def read(folder: Path, *, share_alike: bool = False, raw: bool = False) -> Iterator[Line]:
    """All lines of a folder, source after source."""
    for path in sorted(folder.glob("*.jsonl.gz")):
        source = path.name.removesuffix(".jsonl.gz")
        if share_alike or source not in SHARE_ALIKE:
            yield from _read_file(path, source, raw=raw)


def _read_file(path: Path, source: str, *, raw: bool) -> Iterator[Line]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for row in file:
            document = json.loads(row)
            labels = document["labels"]
            values = tuple(float(labels[name]) if labels.get(name) is not None else float("nan") for name in LABELS)
            text = document["text"] if raw else normalise(document["text"]).text
            yield Line(text, values, source, str(document.get("lang", "")))


def capped(lines: Sequence[Line], caps: dict[str, int], seed: int) -> list[Line]:
    """At most `caps[source]` lines of a source (`*` for those not named), in a repeatable random order."""
    chosen = list(lines)
    random.Random(seed).shuffle(chosen)
    taken: dict[str, int] = {}
    kept: list[Line] = []
    for line in chosen:
        taken[line.source] = taken.get(line.source, 0) + 1
        if taken[line.source] <= caps.get(line.source, caps["*"]):
            kept.append(line)
    return kept


def label_matrix(lines: Sequence[Line]) -> NDArray[np.float32]:
    """[lines, categories], NaN where unknown."""
    return np.asarray([line.labels for line in lines], dtype=np.float32)
