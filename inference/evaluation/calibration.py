"""`python -m inference.evaluation.calibration [--data FOLDER]`: what calibration is worth in communities that nobody has seen.

Each source of the dev rows stands for a community: half of its benign lines, drawn again and again, are what reviewers have
labelled, the other half is what comes later. Writes docs/calibration.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.evaluation import report, scoring
from inference.evaluation.cases import POLICY, ROOT
from inference.training.data import Line, label_matrix, read
from services.detection.categories import CATEGORIES
from services.routing.calibration.bounds import is_surely_above, trials_needed
from services.routing.calibration.comparisons import compared, own_limits
from services.routing.calibration.finding import Change, Wish, caught, find
from services.routing.loading import load

PAGE = ROOT / "docs" / "calibration.md"
TARGETS = (0.01, 0.05)
_SPLITS = 40
_SEED = 20261127
_SURFACE = "chat"


@dataclass(frozen=True, slots=True)
class Cell:
    """A source and a category: one limit of one community."""

    source: str
    category: str
    own: float
    """The default policy's least sure limit of the category."""
    benign: NDArray[np.float64]
    positives: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Way:
    """A way to set the limit, over all splits."""

    limit: float
    """In the mean."""
    rate: float
    """Of false positives among what comes later, in the mean."""
    over: float
    """Share of splits after which it is surely over the target: the lower bound at 95 % is."""
    recall: float
    """In the mean, of all lines of the category; NaN without any."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A cell at a target."""

    cell: Cell
    target: float
    own: Way
    naive: Way
    calibrated: Way
    shown: float
    """Share of splits in which a limit could be shown to hold; in the others the policy's own stays."""


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="inference.evaluation.calibration", description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="holds dev/")
    folder = parser.parse_args().data / "dev"
    lines = list(read(folder, share_alike=True, raw=True))
    if not lines:
        sys.stderr.write(f"there are no lines in {folder}; name another folder with --data\n")
        return 1
    sys.stdout.write(write_page(lines, scoring.cascade([line.text for line in lines]).scores))
    return 0


def write_page(lines: Sequence[Line], scores: NDArray[np.float32]) -> str:
    """Measures, writes docs/calibration.md and returns it. `scores`: [lines, categories]."""
    page = "\n".join(_page(cells(lines, scores))) + "\n"
    PAGE.write_text(page)
    return page


def cells(lines: Sequence[Line], scores: NDArray[np.float32]) -> list[Cell]:
    """Those with enough benign lines that half of them can show the least target."""
    needed = 2 * trials_needed(min(TARGETS))
    limits = _limits()
    labels = label_matrix(lines)
    sources = np.asarray([line.source for line in lines])
    found = []
    for source in sorted(set(sources)):
        for position, category in enumerate(CATEGORIES):
            of_source = sources == source
            benign = scores[of_source & (labels[:, position] == 0), position].astype(np.float64)
            positives = scores[of_source & (labels[:, position] == 1), position].astype(np.float64)
            if len(benign) >= needed:
                found.append(Cell(source, category, limits[category], benign, positives))
    return found


def compare(cell: Cell, target: float, *, splits: int = _SPLITS, seed: int = _SEED) -> Compared:
    """Sets the limit in three ways by half of the benign lines and looks at the other half, `splits` times."""
    random = np.random.default_rng(seed)
    positives = cell.positives.tolist()
    own, naive, calibrated, shown = [], [], [], []
    for _ in range(splits):
        order = random.permutation(len(cell.benign))
        half = len(order) // 2
        labelled, later = cell.benign[order[:half]].tolist(), cell.benign[order[half:]].tolist()
        found = find(labelled, positives, Wish(own=cell.own, target=target))
        quantile = float(np.quantile(labelled, 1 - target))
        own.append(_seen(cell.own, later, positives, target))
        naive.append(_seen(quantile, later, positives, target))
        calibrated.append(_seen(found.value, later, positives, target))
        shown.append(found.change not in (Change.TOO_FEW, Change.UNREACHABLE))
    return Compared(cell, target, _way(own), _way(naive), _way(calibrated), float(np.mean(shown)))


Seen = tuple[float, float, bool, float]
"""Limit, rate, whether it is surely over, recall."""


def _seen(limit: float, later: Sequence[float], positives: Sequence[float], target: float) -> Seen:
    hits = caught(later, limit)
    recall = caught(positives, limit) / len(positives) if positives else float("nan")
    return limit, hits / len(later), is_surely_above(hits, len(later), target), recall


def _way(seen: Sequence[Seen]) -> Way:
    return Way(*(float(mean) for mean in np.mean(np.asarray(seen, dtype=np.float64), axis=0)))


def _limits() -> dict[str, float]:
    """The default policy's least sure limit of each category."""
    policy = load(POLICY).document
    own = own_limits(policy, _SURFACE)
    limits: dict[str, float] = {}
    for limit, one in compared(policy).items():
        if not one.problem:
            limits[one.category] = min(own[limit], limits.get(one.category, 1.0))
    return limits


def _page(found: Sequence[Cell]) -> Iterator[str]:
    yield from _INTRODUCTION
    for target in TARGETS:
        compared_ = [compare(cell, target) for cell in found]
        yield ""
        yield f"## At {target:.0%}"
        yield ""
        yield from report.markdown(_summary(compared_))
        yield ""
        yield from report.markdown(_table(compared_))


def _summary(found: Sequence[Compared]) -> report.Table:
    table = [["limit", "cells surely over, of " + str(len(found)), "mean false positives", "mean recall"]]
    for name, ways in (
        ("the policy's own", [one.own for one in found]),
        ("the naive quantile", [one.naive for one in found]),
        ("calibrated", [one.calibrated for one in found]),
    ):
        over = sum(way.over for way in ways)
        recall = np.nanmean([way.recall for way in ways])
        table.append([name, f"{over:.1f}", f"{np.mean([way.rate for way in ways]):.2%}", f"{recall:.1%}"])
    return table


def _table(found: Sequence[Compared]) -> report.Table:
    table = [["source", "category", "benign", "positives", "the policy's own",
              "naive quantile", "calibrated"]]  # fmt: skip
    for one in found:
        cell = one.cell
        cells_ = [_cell(way) for way in (one.own, one.naive, one.calibrated)]
        table.append([cell.source, f"`{cell.category}`", str(len(cell.benign)), str(len(cell.positives)), *cells_])
    return table


def _cell(way: Way) -> str:
    recall = "" if np.isnan(way.recall) else f", {way.recall:.0%}"
    return f"{way.limit:.3f}: {way.rate:.2%}{recall}, {way.over:.0%}"


_INTRODUCTION = f"""# What calibration is worth

Written by `make evaluate-calibration` (and by `make evaluate`); do not edit. How to calibrate: `docs/guides/calibration.md`.

Each source of the dev rows stands for a community, and each of its categories that has {2 * trials_needed(min(TARGETS))} benign
lines or more for one limit of it: a cell. Half of a cell's benign lines, drawn {_SPLITS} times (seeded), are what reviewers
have labelled; the other half is what comes later, and is looked at with three limits: the default policy's own, the plain
quantile of the labelled half, and the one that `moat calibrate` would set. *Surely over* means that the false positives among
what comes later are over the target beyond chance: the lower Clopper-Pearson bound at 95 % is. That half is finite too, so a
limit exactly at the target would be called surely over in up to 5 % of splits. *Cells surely over* is the sum of these shares.
The lines of the category are not split: they have no part in how high a limit goes, only in whether it may go below the
policy's own. Sources are labelled by others, and noisily: what counts as a false positive here may be right.
A cell of the table has the mean limit, then false positives, recall and how often it is surely over.""".splitlines()


if __name__ == "__main__":
    sys.exit(main())
