"""A release's card: what it is made of, and what the evaluation has just measured, from a template.

The figures are read from the page that the evaluation has written, so that the two can never differ.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template

import numpy as np

from inference.evaluation.cases import ROOT
from inference.evaluation.report import Table, markdown
from services.detection.categories import CATEGORIES
from services.detection.normalise import VERSION as NORMALISER
from services.detection.releases.loading import Release

_CARDS = ROOT / "inference" / "cards"
_FIGURES = ("ROC-AUC", "PR-AUC", "recall at 1 %", "recall at 5 %", "ECE")
Row = Mapping[str, str]


class NoFigures(ValueError):
    """The page, the notice or a model's card lacks what a release's card is made of; the message names it."""


def write(release: Release, page: str, *, date: str) -> Path:
    """Writes the card that the release's document names; `page` is the evaluation of this release. Returns its path."""
    path = (release.places.releases / release.document.card).resolve()
    path.write_text(card(release, page, date=date))
    return path


def card(release: Release, page: str, *, date: str) -> str:
    """The card. Raises NoFigures."""
    parts, rows = release.document, _rows(_section(page, "## By source"))
    notice = (ROOT / "NOTICE").read_text()
    return Template((_CARDS / "releases" / "TEMPLATE.md").read_text()).substitute(
        name=release.name,
        what="Text: the fast tier, the deep tier and how they speak together.",
        date=date,
        deep_version=parts.deep.version,
        deep_digest=parts.deep.model,
        tokenizer=parts.tokenizer.file,
        tokenizer_digest=parts.tokenizer.digest,
        fast_version=parts.fast.version,
        fast_digest=parts.fast.weights,
        cascade_digest=parts.fast.cascade,
        digest=release.digest,
        normaliser=NORMALISER,
        data=_data(notice),
        left_out=_paragraph(notice, "Share-alike sources"),
        encoder=_paragraph(notice, "The deep text tier"),
        by_category="\n".join(markdown(_by_category(rows))),
        by_language="\n".join(markdown(_by_language(rows))),
        cases=_cases(page),
        limits=_limits(),
    )


def _section(text: str, heading: str) -> str:
    """What stands under a heading, up to the next of its kind."""
    found = re.search(rf"^{re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise NoFigures(f"there is no {heading!r}")
    return found[1].strip()


def _rows(section: str) -> list[Row]:
    """Of the section's table, by the names of its columns."""
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("|")
    ]
    if len(lines) <= 2:  # noqa: PLR2004 - the head, and the line under it
        raise NoFigures("the table by source is empty")
    head, _, *rows = lines
    return [dict(zip(head, row, strict=True)) for row in rows]


def _by_category(rows: Sequence[Row]) -> Table:
    table = [["category", "sources", "of it", *_FIGURES]]
    for category in CATEGORIES:
        of_it = [row for row in rows if row["category"] == f"`{category}`"]
        if not of_it:
            table.append([f"`{category}`", "0", "not measured on labelled lines", *[""] * len(_FIGURES)])
            continue
        means = [f"{np.mean([_value(row[figure]) for row in of_it]):.3f}" for figure in _FIGURES]
        positives = str(sum(int(row["of it"]) for row in of_it))
        table.append([f"`{category}`", str(len(of_it)), positives, *means])
    return table


def _by_language(rows: Sequence[Row]) -> Table:
    measured = [category for category in CATEGORIES if any(row["category"] == f"`{category}`" for row in rows)]
    cells: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        cells[row["language"]][row["category"].strip("`")].append(_value(row["ROC-AUC"]))
    table = [["language", *(f"`{category}`" for category in measured)]]
    for language, found in sorted(cells.items()):
        said = [f"{np.mean(found[category]):.3f}" if category in found else "" for category in measured]
        table.append([language, *said])
    return table


def _value(cell: str) -> float:
    """Of `0.855 [0.84, 0.87]`, the first."""
    return float(cell.split(maxsplit=1)[0])


def _cases(page: str) -> str:
    section = _section(page, "## Functional cases")
    return "\n".join(line for line in section.splitlines() if not line.startswith("- wrongly"))


def _data(notice: str) -> str:
    """The data sets as a table: name, title and authors, licence."""
    found = re.findall(r"^  (\w+)  +(\S.*?\S)(?:  +)(\S.*)$", notice, re.MULTILINE)
    if not found:
        raise NoFigures("NOTICE lists no data sets")
    return "\n".join(markdown([["data set", "what", "licence"], *(list(row) for row in found)]))


def _paragraph(notice: str, begins: str) -> str:
    found = re.search(rf"^{re.escape(begins)}.*?(?=\n\n|\Z)", notice, re.MULTILINE | re.DOTALL)
    if found is None:
        raise NoFigures(f"NOTICE has no paragraph that begins with {begins!r}")
    return found[0]


def _limits() -> str:
    """Those of both models' cards."""
    return "\n".join(
        _section((_CARDS / f"{model}.md").read_text(), "## Limits") for model in ("deep_text", "fast_text")
    )
