"""The evaluation as a page: what holds, by category, source and language, and against what came before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.evaluation.cases import Case
from inference.evaluation.metrics import (
    calibration_error,
    enough,
    pr_auc,
    recall_at,
    roc_auc,
    with_interval,
)
from inference.training.data import Line
from services.detection.categories import CATEGORIES

Table = list[list[str]]


@dataclass(frozen=True, slots=True)
class Other:
    """Something that people use for this."""

    name: str
    score: Callable[[Sequence[str]], NDArray[np.float32]]
    """Texts → one score each, or several."""
    speaks_of: Mapping[str, int | None]
    """Category → which of its scores; None where there is but one."""


_SUMMARY = "## By category"
_BEGIN, _END = "<!-- figures: written by `make evaluate` -->", "<!-- /figures -->"
_RECALL_1, _RECALL_5 = recall_at(0.01), recall_at(0.05)


def by_source(
    lines: Sequence[Line], scores: NDArray[np.float32], labels: NDArray[np.float32], prototype: NDArray[np.float32]
) -> Table:
    """A row a source and category that has enough lines of both kinds."""
    sources = np.asarray([line.source for line in lines])
    languages = {line.source: line.language for line in lines}
    table = [["source", "language", "category", "lines", "of it", "ROC-AUC", "before", "PR-AUC", "recall at 1 %",
              "recall at 5 %", "ECE"]]  # fmt: skip
    for source in sorted(set(sources)):
        for position, category in enumerate(CATEGORIES):
            rows = (sources == source) & ~np.isnan(labels[:, position])
            if rows.any() and enough(labels[rows, position]):
                figures = _figures(scores[rows, position], labels[rows, position], prototype[rows, position])
                table.append([source, languages[source], f"`{category}`", *figures])
    return table


def summary(
    lines: Sequence[Line], scores: NDArray[np.float32], labels: NDArray[np.float32], prototype: NDArray[np.float32]
) -> Iterator[str]:
    """The mean over sources, a category a row: pooling sources would reward telling them apart."""
    table = [["category", "sources", "ROC-AUC", "before"]]
    sources = np.asarray([line.source for line in lines])
    for position, category in enumerate(CATEGORIES):
        areas = []
        for source in sorted(set(sources)):
            rows = (sources == source) & ~np.isnan(labels[:, position])
            if rows.any() and enough(labels[rows, position]):
                of_source = labels[rows, position]
                areas.append(
                    (roc_auc(scores[rows, position], of_source), roc_auc(prototype[rows, position], of_source))
                )
        if areas:
            now, before = np.mean(areas, axis=0)
            table.append([f"`{category}`", str(len(areas)), f"{now:.3f}", f"{before:.3f}"])
    yield _SUMMARY
    yield ""
    yield "The mean of the areas under the ROC curve inside each source; *before* is the first release's fast tier."
    yield ""
    yield from markdown(table)


def with_figures(card: str, page: str) -> str:
    """A model card with the page's summary between its marks."""
    begin, end = card.index(_BEGIN) + len(_BEGIN), card.index(_END)
    after = page[page.index(_SUMMARY) + len(_SUMMARY) :]
    figures = after[: after.index("\n## ")].strip()
    return f"{card[:begin]}\nOf the cascade as a whole; by source and language in `docs/evaluation.md`.\n{figures}\n{card[end:]}"


def by_language(lines: Sequence[Line], scores: NDArray[np.float32], labels: NDArray[np.float32]) -> Table:
    """Toxicity and hate, a language a row: the mean over its sources, so that differences between sources do not count."""
    table = [["language", "sources", "toxicity, ROC-AUC", "hate, ROC-AUC"]]
    sources: dict[str, list[str]] = defaultdict(list)
    for line in lines:
        if line.source not in sources[line.language]:
            sources[line.language].append(line.source)
    of_source, of_language = np.asarray([one.source for one in lines]), np.asarray([one.language for one in lines])
    for language, names in sorted(sources.items()):
        cells = []
        for category in ("toxicity", "hate"):
            position = CATEGORIES.index(category)
            areas = []
            for name in names:
                rows = (of_source == name) & (of_language == language) & ~np.isnan(labels[:, position])
                if rows.any() and enough(labels[rows, position]):
                    areas.append(roc_auc(scores[rows, position], labels[rows, position]))
            cells.append(f"{np.mean(areas):.3f}" if areas else "")
        if any(cells):
            table.append([language, ", ".join(names), *cells])
    return table


def _figures(scores: NDArray[np.float32], labels: NDArray[np.float32], prototype: NDArray[np.float32]) -> list[str]:
    return [
        str(len(labels)),
        str(int(labels.sum())),
        str(with_interval(roc_auc, scores, labels)),
        f"{roc_auc(prototype, labels):.3f}",
        str(with_interval(pr_auc, scores, labels)),
        str(with_interval(_RECALL_1, scores, labels)),
        str(with_interval(_RECALL_5, scores, labels)),
        f"{calibration_error(scores, labels):.3f}",
    ]


def of_cases(halves: Mapping[str, tuple[Sequence[Case], Sequence[Sequence[str]]]]) -> Table:
    """The share that is right, a kind a row, a half a column. `halves`: cases and the rules that fired on each."""
    kinds = list(dict.fromkeys(case.kind for cases, _ in halves.values() for case in cases))
    table = [["kind", "should", *halves]]
    for kind in kinds:
        cells = []
        should = ""
        for cases, fired in halves.values():
            right = [bool(rules) == case.act for case, rules in zip(cases, fired, strict=True) if case.kind == kind]
            should = next(("be acted on" if case.act else "pass" for case in cases if case.kind == kind), should)
            cells.append(f"{sum(right)} of {len(right)}")
        table.append([kind.replace("_", " "), should, *cells])
    totals = []
    for cases, fired in halves.values():
        right = [bool(rules) == case.act for case, rules in zip(cases, fired, strict=True)]
        totals.append(f"**{100 * np.mean(right):.1f} %** of {len(right)}")
    table.append(["**all**", "", *totals])
    return table


def markdown(table: Table) -> Iterator[str]:
    """As lines."""
    head, *rows = table
    yield f"| {' | '.join(head)} |"
    yield f"| {' | '.join('---' for _ in head)} |"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def against(
    lines: Sequence[Line], scores: NDArray[np.float32], labels: NDArray[np.float32], others: Sequence[Other]
) -> Table:
    """Ours beside theirs, a source and category a row, where any of them says something; areas under the ROC curve."""
    texts = [line.text for line in lines]
    theirs = [other.score(texts) for other in others]
    sources = np.asarray([line.source for line in lines])
    table = [["source", "category", "ours", *(other.name for other in others)]]
    for source in sorted(set(sources)):
        for position, category in enumerate(CATEGORIES):
            rows = (sources == source) & ~np.isnan(labels[:, position])
            if not any(category in other.speaks_of for other in others):
                continue
            if rows.any() and enough(labels[rows, position]):
                of_source = labels[rows, position]
                cells = [
                    _area_of(other, found[rows], category, of_source)
                    for other, found in zip(others, theirs, strict=True)
                ]
                ours = f"{roc_auc(scores[rows, position], of_source):.3f}"
                table.append([source, f"`{category}`", ours, *cells])
    return table


def _area_of(other: Other, scores: NDArray[np.float32], category: str, labels: NDArray[np.float32]) -> str:
    if category not in other.speaks_of:
        return ""
    column = other.speaks_of[category]
    return f"{roc_auc(scores if column is None else scores[:, column], labels):.3f}"
