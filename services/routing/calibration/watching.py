"""Drift: what is seen now against what a calibration was made from, in a window that moves, a gauge a category.

Labels are tenants that are calibrated, and nobody else's: a set that files close."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from prometheus_client import Gauge

from services.routing.calibration.applying import Applied, Calibrations
from services.routing.calibration.histogram import STEPS, psi, step_of
from services.routing.views import Item, views_of

_PLACE = ["tenant", "environment", "surface"]
DRIFT = Gauge(
    "routing_score_drift_psi", "PSI of the latest scores against the calibration's reference.", [*_PLACE, "category"]
)
CROSSED = Gauge(
    "routing_limit_crossed_share", "Share of the latest texts that reach a calibrated limit.", [*_PLACE, "limit"]
)
EXPECTED = Gauge("routing_limit_expected_share", "The same in the calibration's reference.", [*_PLACE, "limit"])


class Block:
    """Some texts, one after the other: counts only."""

    def __init__(self, applied: Applied) -> None:
        """An empty one."""
        self.texts = 0
        self.steps = {category: [0] * STEPS for category in applied.calibration.reference.steps}
        self.crossed = dict.fromkeys(applied.limits, 0)

    def see(self, applied: Applied, scores: dict[str, float]) -> None:
        """Counts a text."""
        self.texts += 1
        for category, steps in self.steps.items():
            steps[step_of(scores.get(category, 0.0))] += 1
        for limit, one in applied.calibration.limits.items():
            self.crossed[limit] += scores.get(one.category, 0.0) >= one.value


class _Watch(NamedTuple):
    applied: Applied
    full: deque[Block]
    filling: list[Block]
    """One."""


class Watcher:
    """Counts the texts of calibrated places. Costs others nothing."""

    def __init__(self, *, block: int, blocks: int) -> None:
        """Gauges move every `block` texts of a place, and speak of the last `block * blocks`, once there are as many."""
        self._block = block
        self._blocks = blocks
        self._watches: dict[str, _Watch] = {}

    def change(self, calibrations: Calibrations) -> None:
        """There are other calibrations: those that are new begin from nothing, and the gauges of those that went go."""
        kept = {}
        for applied in calibrations.applied:
            there = self._watches.pop(applied.name, None)
            kept[applied.name] = (
                _Watch(applied, there.full, there.filling)
                if there
                else _Watch(applied, deque(maxlen=self._blocks), [Block(applied)])
            )
        for gone in self._watches.values():
            _forget(gone.applied)
        for watch in kept.values():
            _expect(watch.applied)
        self._watches = kept

    def see(self, item: Item, calibration: str) -> None:
        """Counts the texts of an item that was decided by a calibration (`name@hash`; empty for none)."""
        watch = self._watches.get(calibration)
        if watch is None:
            return
        for view in views_of(item):
            if watch.applied.is_about(view):
                self._count(watch, {one.category: one.probability for one in view.signals.scores})

    def _count(self, watch: _Watch, scores: dict[str, float]) -> None:
        block = watch.filling[0]
        block.see(watch.applied, scores)
        if block.texts < self._block:
            return
        watch.full.append(block)
        watch.filling[0] = Block(watch.applied)
        if len(watch.full) == self._blocks:
            _publish(watch)


def _publish(watch: _Watch) -> None:
    calibration = watch.applied.calibration
    place = _place(watch.applied)
    for category, expected in calibration.reference.steps.items():
        seen = [sum(counts) for counts in zip(*(block.steps[category] for block in watch.full), strict=True)]
        DRIFT.labels(*place, category).set(psi(expected, seen))
    texts = sum(block.texts for block in watch.full)
    for limit in calibration.limits:
        CROSSED.labels(*place, limit).set(sum(block.crossed[limit] for block in watch.full) / texts)


def _expect(applied: Applied) -> None:
    for limit, share in applied.calibration.reference.crossed.items():
        EXPECTED.labels(*_place(applied), limit).set(share)


def _forget(applied: Applied) -> None:
    for gauge, name in _gauges(applied):
        try:
            gauge.remove(*_place(applied), name)
        except KeyError:
            # It was never set: too few texts were seen.
            continue


def _gauges(applied: Applied) -> Iterator[tuple[Gauge, str]]:
    yield from ((DRIFT, category) for category in applied.calibration.reference.steps)
    yield from ((gauge, limit) for gauge in (CROSSED, EXPECTED) for limit in applied.limits)


def _place(applied: Applied) -> tuple[str, str, str]:
    one = applied.calibration
    return one.tenant, one.environment, one.surface
