"""Lines around the words of lists that people keep: swear words in many languages, and slurs in English.

The lists (`lexicons/` beside `train/`) say of a word what it is, never of a line: so a line with a swear word is known to be
profane and nothing else, and one with a slur is known to be hateful where the frame says it to somebody, and not where it
speaks of the word. Words that labelled lines use mostly without hate are left out of the slurs.
"""

from __future__ import annotations

import csv
import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from inference.training.data import Line
from services.detection.categories import CATEGORIES
from services.detection.normalise import normalise

SOURCE = "lexicons"
_SLURS = frozenset(("racial / ethnic slurs", "sexual orientation / gender"))
_SEVERE, _PROFANE = 2.0, 1.5
"""Of three: from which mean rating on an English word is used as a slur, or as a swear word."""
_SURE = 2
"""Of two, in the lists of `cuss`."""
_SEEN, _HATEFUL = 15, 0.35
"""A word that so many labelled lines hold must be hateful in this share of them."""
_WORDS = 160
"""Of a language's swear words at most."""
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
_SPECIAL = {"fr-CA-u-sd-caqc": "fr", "pt-pt": "pt", "ar-latn": "ar"}


def lines(folder: Path, labelled: Sequence[Line], chat: dict[str, list[str]], seed: int) -> Iterator[Line]:
    """Swear words beside `chat` lines of their language (a language's code → lines), and slurs. Nothing without lists."""
    random_ = random.Random(seed)
    for language, words in sorted(swear_words(folder).items()):
        if language in chat:
            for word in random_.sample(words, min(_WORDS, len(words))):
                yield _line(_beside(word, random_.choice(chat[language]), random_), {"platform.profanity": 1.0})
    for word in hateful(slurs(folder), labelled):
        for frame in random_.sample(_HURLED, _FRAMES_A_SLUR):
            yield _line(frame.format(w=word), {"toxicity": 1.0, "hate": 1.0})
        for frame in random_.sample(_SPOKEN_OF, int(_FRAMES_A_SLUR * _SPEAKS_OF_IT)):
            yield _line(frame.format(w=word), {"hate": 0.0, "violence.threat": 0.0, "integrity.spam": 0.0})


def swear_words(folder: Path) -> dict[str, list[str]]:
    """By language, lower-cased, each once."""
    found: dict[str, dict[str, None]] = {}
    for path in sorted((folder / "ldnoobw").glob("*.json")):
        found.setdefault(_SPECIAL.get(path.stem, path.stem), {}).update(dict.fromkeys(json.loads(path.read_text())))
    for path in sorted((folder / "cuss").glob("*.json")):
        sure = [word for word, rating in json.loads(path.read_text()).items() if rating >= _SURE]
        found.setdefault(_SPECIAL.get(path.stem, path.stem), {}).update(dict.fromkeys(sure))
    for row in _rated(folder):
        if float(row["severity_rating"]) >= _PROFANE and row["category_1"] not in _SLURS:
            found.setdefault("en", {})[row["text"]] = None
    return {language: sorted({normalise(word).text for word in words}) for language, words in found.items()}


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


def _beside(word: str, chat: str, random_: random.Random) -> str:
    return random_.choice((word, f"{word} {chat}", f"{chat} {word}", f"{chat}, {word}"))


def _line(text: str, known: dict[str, float]) -> Line:
    labels = tuple(known.get(category, _UNKNOWN) for category in CATEGORIES)
    return Line(normalise(text).text, labels, SOURCE)
