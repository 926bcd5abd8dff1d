"""Labels → rows with scores: read from the record of decisions, or scored here."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
from moat.audit.v1 import decision_record_pb2
from moat.detection.v1 import signals_pb2
from moat_client import Moat, MoatError

from services.routing.calibration.applying import versions_of
from services.routing.calibration.making import Row
from services.routing.views import kind_of
from tools.cli.calibration.labels import AnyLabel, DecisionLabel, LabelFile, TextLabel
from tools.cli.failure import Failure
from tools.cli.score import score_texts

_AT_ONCE = 16
"""Decisions asked for at a time."""
_TOGETHER = 512
Models = tuple[tuple[str, str], ...]
"""Versions by model, sorted."""


@dataclass(frozen=True, slots=True)
class ScoredLabel:
    """A label, with what the models said."""

    surface: str
    when: float
    """When the models said it, in seconds since 1970."""
    models: Models
    row: Row


@dataclass(frozen=True, slots=True)
class Usable:
    """The rows of one surface that speak of the same scale."""

    models: dict[str, str]
    rows: list[Row]
    other_models: int
    """Labels left out: their scores were made by other releases."""


async def scored_labels(file: LabelFile, path: Path, moat: Moat | None) -> list[ScoredLabel]:
    """In the order of the file. `moat`: a client signed in as the tenant; needed for labels of decisions. Raises Failure, which
    names the line; MoatError."""
    found: dict[int, ScoredLabel] = {}
    decisions = [(line, one) for line, one in _lines(file) if isinstance(one, DecisionLabel)]
    texts = [(line, one) for line, one in _lines(file) if isinstance(one, TextLabel)]
    if decisions:
        assert moat is not None
        found |= await _of_decisions(decisions, path, moat)
    if texts:
        found |= await _of_texts(texts)
    return [found[line] for line in file.lines]


def usable(labels: Iterable[ScoredLabel], surface: str) -> Usable:
    """Those of a surface that were scored by the models which scored the latest of them. There must be one."""
    of_surface = [one for one in labels if one.surface == surface]
    # What is asked now is what answered last.
    models = max(of_surface, key=lambda one: (one.when, one.models)).models
    rows = [one.row for one in of_surface if one.models == models]
    return Usable(dict(models), rows, len(of_surface) - len(rows))


def text_of(record: decision_record_pb2.DecisionRecord, part: int | None) -> signals_pb2.Signals:
    """What detection found in a text of a decision. Raises ValueError, which says why there is none."""
    if record.parts:
        if part is None:
            raise ValueError(f"it has {len(record.parts)} parts; say which one in `part`")
        if part >= len(record.parts):
            raise ValueError(f"it has {len(record.parts)} parts, counted from 0, and no part {part}")
        kind, signals = record.parts[part].kind, record.parts[part].signals
    elif part:
        raise ValueError(f"it is one thing and has no part {part}")
    else:
        kind, signals = kind_of(record.signals), record.signals
    if kind != "text":
        raise ValueError(f"it is about {'an' if kind[0] in 'ai' else 'a'} {kind}; texts alone can be labelled")
    if not signals.scores:
        raise ValueError("detection was missing when it was decided, so it has no scores")
    return signals


def scores_by_category(signals: signals_pb2.Signals) -> dict[str, float]:
    """As rules see them."""
    return {one.category: one.probability for one in signals.scores}


def _lines(file: LabelFile) -> Sequence[tuple[int, AnyLabel]]:
    return list(zip(file.lines, file.labels, strict=True))


async def _of_decisions(labels: Sequence[tuple[int, DecisionLabel]], path: Path, moat: Moat) -> dict[int, ScoredLabel]:
    room = asyncio.Semaphore(_AT_ONCE)

    async def one(line: int, label: DecisionLabel) -> tuple[int, ScoredLabel]:
        async with room:
            return line, await _of_decision(label, f"{path} line {line}: decision {label.decision_id}", moat)

    return dict(await asyncio.gather(*(one(line, label) for line, label in labels)))


async def _of_decision(label: DecisionLabel, where: str, moat: Moat) -> ScoredLabel:
    try:
        record = (await moat.get_decision(label.decision_id)).decision
        signals = text_of(record, label.part)
    except ValueError as error:
        raise Failure(f"{where}: {error}") from None
    except MoatError as error:
        if error.code is not grpc.StatusCode.NOT_FOUND:
            raise
        raise Failure(f"{where}: is not in the record of this tenant and environment") from None
    return _scored(record.surface, record.decide_time.ToSeconds(), signals, label)


async def _of_texts(labels: Sequence[tuple[int, TextLabel]]) -> dict[int, ScoredLabel]:
    # Here, so that labels of decisions need none of the models' packages.
    from services.detection.settings import DetectionSettings  # noqa: PLC0415
    from services.detection.wiring import scorer_in_process  # noqa: PLC0415

    scorer = scorer_in_process(DetectionSettings(), threads=os.cpu_count() or 1)
    found = {}
    for start in range(0, len(labels), _TOGETHER):
        chunk = labels[start : start + _TOGETHER]
        scored = await score_texts(scorer, [label.text for _, label in chunk])
        for (line, label), one in zip(chunk, scored, strict=True):
            found[line] = _scored(label.surface, time.time(), one.signals, label)
    return found


def _scored(surface: str, when: float, signals: signals_pb2.Signals, label: AnyLabel) -> ScoredLabel:
    models = tuple(sorted(versions_of(signals).items()))
    return ScoredLabel(surface, when, models, Row(label.label, scores_by_category(signals)))
