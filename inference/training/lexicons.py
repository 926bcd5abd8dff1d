"""Lines around slurs from a list of rated English words (`lexicons/` beside `train/`).

The list says of a word what it is, never of a line: a line is hateful where the frame says the word to somebody, and not where
it speaks of the word. Words that labelled lines use mostly without hate are left out.
"""

from __future__ import annotations

import csv
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from inference.training.data import Line
from services.detection.categories import CATEGORIES
from services.detection.normalise import normalise

SOURCE = "lexicons"
_SLURS = frozenset(("racial / ethnic slurs", "sexual orientation / gender"))
_SEVERE = 2.0
"""Of three: from which mean rating on a word is used."""
_SEEN, _HATEFUL = 15, 0.35
"""A word that so many labelled lines hold must be hateful in this share of them."""
_FRAMES_A_SLUR = 8
_SPEAKS_OF_IT = 0.25
_HURLED = (
    "{w}", "you {w}", "stupid {w}", "fucking {w}", "what a {w}", "go home {w}", "i hate every {w}", "{w} scum", "typical {w}",
    "shut up {w}", "all of them are {w} trash", "kill that {w}", "bunch of {w}", "you are such a {w}", "ugly {w}",
    "he is just a {w}", "another {w} in here", "{w} get out of our server", "dirty {w}", "look at that {w}", "no {w} allowed",
    "dumb {w} cannot play", "ban this {w}", "your mother is a {w}", "another day another {w} ruining the match",
)  # fmt: skip
_SPOKEN_OF = (
    "do not call him a {w}", "somebody called me a {w} at school and i cried", "the word {w} is a slur, do not use it",
    "he was banned for typing {w}", "calling people {w} is not ok", "you cannot say {w} in here, stop it",
    "mods please delete the comment with {w}", "my brother gets called {w} every day and it hurts", "why is {w} not filtered",
    '"{w}" is hate speech and you know it', "whoever says {w} is no friend of mine",
)  # fmt: skip
_UNKNOWN = float("nan")


def lines(folder: Path, labelled: Sequence[Line], seed: int) -> Iterator[Line]:
    """Eight lines that say a slur, two that speak of it. None without the list."""
    random_ = random.Random(seed)
    for word in hateful(slurs(folder), labelled):
        for frame in random_.sample(_HURLED, _FRAMES_A_SLUR):
            yield _line(frame.format(w=word), {"toxicity": 1.0, "hate": 1.0})
        for frame in random_.sample(_SPOKEN_OF, int(_FRAMES_A_SLUR * _SPEAKS_OF_IT)):
            yield _line(frame.format(w=word), {"hate": 0.0, "violence.threat": 0.0, "integrity.spam": 0.0})


def slurs(folder: Path) -> list[str]:
    """English ones, as they look when they are normalised."""
    return sorted(
        {
            normalise(row["text"]).text
            for row in _rated(folder)
            if row["category_1"] in _SLURS and float(row["severity_rating"]) >= _SEVERE
        }
    )


def hateful(words: Sequence[str], labelled: Sequence[Line]) -> list[str]:
    """Those that labelled lines do not mostly use otherwise."""
    position = CATEGORIES.index("hate")
    single = frozenset(words)
    seen: Counter[str] = Counter()
    meant: Counter[str] = Counter()
    for line in labelled:
        if line.labels[position] in (0.0, 1.0):
            for word in single.intersection(line.text.split()):
                seen[word] += 1
                meant[word] += int(line.labels[position])
    return [word for word in words if seen[word] < _SEEN or meant[word] >= _HATEFUL * seen[word]]


def _rated(folder: Path) -> list[dict[str, str]]:
    path = folder / "surge_profanity" / "profanity_en.csv"
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _line(text: str, known: dict[str, float]) -> Line:
    labels = tuple(known.get(category, _UNKNOWN) for category in CATEGORIES)
    return Line(normalise(text).text, labels, SOURCE)
