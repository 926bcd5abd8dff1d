"""A release's card says what is in the release, and what the evaluation's page says."""

from __future__ import annotations

import re

import pytest

from inference.evaluation import card
from inference.evaluation.card import NoFigures
from inference.evaluation.cases import ROOT
from services.detection.categories import CATEGORIES
from services.detection.releases.loading import known_releases, load_release
from services.detection.settings import DetectionSettings

SETTINGS = DetectionSettings()
RELEASE = SETTINGS.live_release()
PAGE = """
## Functional cases

| kind | should | dev | test |
| --- | --- | --- | --- |
| threat | be acted on | 11 of 12 | 9 of 12 |
- wrongly: duck

## By source

| source | language | category | lines | of it | ROC-AUC | before | PR-AUC | recall at 1 % | recall at 5 % | ECE |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
| one | en | `hate` | 90 | 30 | 0.800 [0.7, 0.9] | 0.7 | 0.5 [0.4, 0.6] | 0.1 [0, 1] | 0.2 [0, 1] | 0.040 |
| two | de | `hate` | 90 | 12 | 0.600 [0.5, 0.7] | 0.7 | 0.3 [0.2, 0.4] | 0.3 [0, 1] | 0.4 [0, 1] | 0.060 |
| two | de | `toxicity` | 90 | 40 | 0.900 [0.8, 1.0] | 0.7 | 0.3 [0.2, 0.4] | 0.3 [0, 1] | 0.4 [0, 1] | 0.060 |
"""


def row(text: str, first: str) -> list[str]:
    (line,) = re.findall(rf"^\| {re.escape(first)} \|.*$", text, re.MULTILINE)
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_figures_are_means_of_what_the_page_says_by_category_and_language() -> None:
    made = card.card(RELEASE, PAGE, date="2026-11-27")
    assert row(made, "`hate`") == ["`hate`", "2", "42", "0.700", "0.400", "0.200", "0.300", "0.050"]
    assert row(made, "de") == ["de", "0.900", "0.600"]
    assert row(made, "en") == ["en", "", "0.800"]
    assert row(made, "threat")[-1] == "9 of 12"
    assert "duck" not in made


def test_what_was_not_measured_is_said() -> None:
    made = card.card(RELEASE, PAGE, date="2026-11-27")
    for category in set(CATEGORIES) - {"hate", "toxicity"}:
        assert row(made, f"`{category}`")[2] == "not measured on labelled lines"


def test_it_names_date_parts_data_and_limits() -> None:
    made = card.card(RELEASE, PAGE, date="2026-11-27")
    parts = RELEASE.document
    for said in ("2026-11-27", RELEASE.digest, parts.deep.model, parts.tokenizer.digest, parts.fast.cascade):
        assert said in made
    assert row(made, "davidson")[-1] == "MIT"
    assert "Share-alike sources" in made
    assert "multilingual-e5-small" in made
    assert made.partition("## Limits")[2].strip().startswith("- ")
    assert "$" not in made


@pytest.mark.parametrize("lost", ["## By source", "## Functional cases"])
def test_a_page_without_figures_makes_no_card(lost: str) -> None:
    with pytest.raises(NoFigures, match=lost):
        card.card(RELEASE, PAGE.replace(lost, "## Other"), date="2026-11-27")


@pytest.mark.parametrize("name", known_releases(SETTINGS.places))
def test_every_release_here_has_a_card_of_its_own_files(name: str) -> None:
    """`make evaluate` writes it anew."""
    release = load_release(SETTINGS.places, name)
    assert release.digest in (release.places.releases / release.document.card).read_text()


def test_the_page_that_is_committed_makes_a_card() -> None:
    made = card.card(RELEASE, (ROOT / "docs" / "evaluation.md").read_text(), date="2026-11-27")
    assert float(row(made, "`toxicity`")[3]) > 0.5
