"""`python -m inference.evaluation [--data FOLDER]`: measures, prints, and writes docs/evaluation.md and docs/calibration.md."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np

from inference.evaluation import calibration, cases, report, scoring
from inference.evaluation import card as release_card
from inference.evaluation.report import Other
from inference.training.data import SHARE_ALIKE, label_matrix, read
from services.detection.settings import DetectionSettings

_CARDS = cases.ROOT / "inference" / "cards"
_PAGE = cases.ROOT / "docs" / "evaluation.md"


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="inference.evaluation", description=__doc__)
    parser.add_argument("--data", type=Path, default=cases.ROOT.parent / "shared" / "data", help="holds dev/")
    parser.add_argument("--profanity-check", type=Path, help="a Python that has alt-profanity-check installed")
    parser.add_argument("--tox-block", type=Path, help="a Python that has h5py and the files of tox-block")
    arguments = parser.parse_args()
    page = "\n".join(_page(arguments.data, _others(arguments))) + "\n"
    settings = DetectionSettings()
    release_card.write(settings.live_release(), page, date=datetime.now(UTC).date().isoformat())
    if _is_live():
        _PAGE.write_text(page)
        for card in sorted(_CARDS.glob("*_text.md")):
            card.write_text(report.with_figures(card.read_text(), page))
    sys.stdout.write(page)
    return 0


def _is_live() -> bool:
    """With a plan of its own (DETECTION_PLAN) somebody measures a release that is not live yet."""
    return bool(DetectionSettings().plan == DetectionSettings.model_fields["plan"].default)


def _others(arguments: argparse.Namespace) -> list[Other]:
    """What it is held against, as far as there is a Python that has it."""
    found: list[Other] = []
    if arguments.profanity_check is not None:
        check = partial(scoring.profanity_check, arguments.profanity_check)
        found.append(Other("alt-profanity-check", check, {"toxicity": None}))
    if arguments.tox_block is not None:
        found.append(Other("tox-block", partial(scoring.tox_block, arguments.tox_block), _TOX_BLOCK))
    return found


def _page(data: Path, others: Sequence[Other]) -> Iterator[str]:
    lines = list(read(data / "dev", share_alike=True, raw=True))
    texts = [line.text for line in lines]
    found = scoring.cascade(texts)
    if _is_live():
        calibration.write_page(lines, found.scores)
    labels = label_matrix(lines)
    prototype = scoring.prototype(texts)
    yield from _INTRODUCTION
    yield from _cases()
    yield ""
    yield from report.summary(lines, found.scores, labels, prototype)
    yield ""
    yield "## By source"
    yield ""
    yield f"{len(lines)} dev lines; the deep tier was asked about {100 * found.deep_share:.0f} % of them. *Before* is the"
    yield "ROC-AUC of the first release's fast tier. A category needs five lines of each kind. Share-alike sources"
    yield f"({', '.join(sorted(SHARE_ALIKE))}) were not trained on: they say how it does on sources it has not seen."
    yield ""
    yield from report.markdown(report.by_source(lines, found.scores, labels, prototype))
    yield ""
    yield "## By language"
    yield ""
    yield from report.markdown(report.by_language(lines, found.scores, labels))
    yield ""
    yield from _LANGUAGES
    yield ""
    yield "## Against what others use"
    yield ""
    if others:
        yield from report.markdown(report.against(lines, found.scores, labels, others))
        yield ""
    for name, option in _KNOWN_OTHERS.items():
        if name not in {other.name for other in others}:
            yield f"`{name}` was not measured in this run (`{option} PYTHON`)."


def _cases() -> Iterator[str]:
    halves = {}
    for half in ("dev", "test"):
        found = cases.functional(half)
        halves[half] = (found, cases.acted(scoring.cascade([case.text for case in found]).signals))
    yield from report.markdown(report.of_cases(halves))
    chat = cases.benign_chat()
    scored = scoring.cascade([case.text for case in chat])
    wrong = [case.text for case, rules in zip(chat, cases.acted(scored.signals), strict=True) if rules]
    yield ""
    yield f"Of {len(chat)} lines of benign game chat in {len({case.kind for case in chat})} languages, written here, the"
    yield f"default policy acts on {len(wrong)} ({100 * len(wrong) / len(chat):.1f} %)."
    asked = [one.tiers[-1].reason != "decided" for one in scored.signals]
    for name, english in (("English", True), ("other", False)):
        of_these = [was for was, case in zip(asked, chat, strict=True) if (case.kind == "en") is english]
        yield f"The deep tier is asked about {100 * np.mean(of_these):.0f} % of the {name} ones."
    yield from (f"- wrongly: {text}" for text in wrong)


_KNOWN_OTHERS = {"alt-profanity-check": "--profanity-check", "tox-block": "--tox-block"}
_TOX_BLOCK = {"toxicity": 0, "platform.profanity": 2, "violence.threat": 3, "harassment.insult": 4, "hate": 5}
"""Which of its outputs speaks of which category."""
_INTRODUCTION = """# What the text cascade is worth

Written by `make evaluate`; do not edit. Scores are the cascade's final ones, as `moat score` prints and the mesh stores them.
Intervals hold 95 % of 200 resamples. Labels of others are noisy: nobody reaches 1 on them.

## Functional cases

Written here, with frames that training has not seen; what is right is what the default policy does. The dev half guided
development, the test half did not.
""".splitlines()
_LANGUAGES = """English has thirteen sources; German, Chinese, Turkish and Polish one of some size each; Spanish, Russian,
Indonesian, Japanese, French and Arabic a small or noisy one. Portuguese and Korean are measured on sources that were not
trained on. For Italian, Dutch, Ukrainian and Hindi there are lines written here and what the encoder carries over, and no
labelled lines to measure on beyond the cases above: do not act on it alone there.""".splitlines()


if __name__ == "__main__":
    sys.exit(main())
