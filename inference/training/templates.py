"""Lines written here, for what data sets lack: frames by groups in the languages of `written/`, one file a language.

Each kind of frame says what is known of its lines. The kinds come in contrasts that share their words: hate and
counter-speech, hate and the same said of Mondays, threats and game idiom, cries for help and figures of speech. What they
teach is measured by cases with frames of their own (`inference/evaluation/cases`), never by these.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from inference.training.data import Line
from inference.training.evasions import disguised
from services.detection.categories import CATEGORIES
from services.detection.normalise import normalise

SOURCE = "written_here"
_FOLDER = Path(__file__).parent / "written"
_UNKNOWN = float("nan")
_FORMS = {"en": ("g", "p", "j")}
_DISGUISED = 0.12
_BESIDE_CHAT = 0.08
_FILLS = {
    "hate": 8, "hate_emoji": 8, "benign": 6, "benign_emoji": 8, "counter": 8, "object_abuse": 6, "insult": 6, "banter": 4,
    "threat": 6, "coercion": 4, "threat_reported": 5,
    "wish_harm": 4, "support": 5, "support_benign": 2, "idiom": 5, "chat": 2, "profane_positive": 3, "spam": 4,
    "spam_benign": 2, "sexual": 3, "sexual_benign": 2, "reclaimed": 4,
}  # fmt: skip
"""How many lines a frame makes, by kind: with other groups, names, foes, openers and closers, disguised or not."""
_FEWEST, _MOST = 20, 3000
"""Lines of a kind and language: a few frames are filled more often, very many less."""
_KNOWN: dict[str, dict[str, float]] = {
    "hate": {"toxicity": 1, "hate": 1, "harassment.insult": _UNKNOWN, "violence.threat": _UNKNOWN},
    "hate_emoji": {"toxicity": 1, "hate": 1, "harassment.insult": _UNKNOWN, "violence.threat": _UNKNOWN},
    "insult": {"toxicity": 1, "harassment.insult": 1},
    "threat": {"toxicity": 1, "violence.threat": 1, "harassment.insult": _UNKNOWN},
    "coercion": {"toxicity": 1, "harassment.insult": _UNKNOWN, "violence.threat": _UNKNOWN, "sexual": _UNKNOWN},
    "wish_harm": {"toxicity": 1, "harassment.insult": 1, "violence.threat": _UNKNOWN, "self_harm": 0},
    "support": {"self_harm": 1, "toxicity": 0},
    "profane_positive": {"platform.profanity": 1, "toxicity": 0},
    "spam": {"integrity.spam": 1},
    "sexual": {"sexual": 1, "toxicity": _UNKNOWN},
    "object_abuse": {"toxicity": 0},
}
"""What differs from 0 in every category, by kind."""
_SWEARING = re.compile(
    r"\b(?:f+u+ck\w*|shit\w*|bitch\w*|ass|asshole|crap|damn|hell|scheiß\w*|verfickt\w*|fick\w*|merde|putain|nique|emmerde|mierda|put[oa]s?|joder|"
    r"porra|caralho|merda|cazzo|vaffanculo|kut|godverdomme|kurwa|jebać|pierdol\w*|нахуй|бля|ебать|amk|siktir\w*|saale|साले|"
    r"操|他妈|씨발|anjing|bangsat)\b"
)
_VOWELS, _ARTICLE = "aeio", re.compile(r"\ba (?=\{j\})")
"""`an asian`: the sound decides, so `u` is left out."""
_EMOJI_HATE = (
    "{g} 🐀",
    "{g} = 💩",
    "{g} 🤮🤮",
    "🔫 {g}",
    "🖕 {g} 🖕",
    "{g} 🚮🚫",
    "{g} 🐒🐒",
    "🔪 {g}",
    "{g} 🐷",
    "{g} ☠️☠️ 😂",
)
_EMOJI_BENIGN = (
    "{g} ❤️", "{g} 🥰🎉", "{g} 🔥🔥👏", "👋 {g} 😊", "{g} 💪💜", "{g} 🙏",
    "{g} 🎂🥳", "{g} 👍", "{g} 👨‍👩‍👧", "{g} 👩‍👩‍👦", "{g} 👨‍👨‍👧‍👦", "{g} 🐈 🐕",
    "{g} 🌈✨", "{g} 📚", "{g} ⚽🏆", "{g} 🍕😋", "🐒 {g} 🦁", "{g} 🐖🐄🐓",
    "{g} ☀️🌙", "{g} 🎮", "{g} 🎶💃", "{g} 👶🍼", "{g} 🐈‍⬛", "{g} 💐",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Language:
    """The frames of one language and what fills them."""

    code: str
    forms: tuple[str, ...]
    """Names of the forms of a group, in the order in which they stand in the file."""
    words: dict[str, list[str]]


def languages() -> list[Language]:
    """All that are written."""
    shared = yaml.safe_load((_FOLDER / "en.yaml").read_text())
    found = []
    for path in sorted(_FOLDER.glob("*.yaml")):
        document = yaml.safe_load(path.read_text())
        document.setdefault("sites", shared["sites"])
        document.setdefault("hate_emoji", list(_EMOJI_HATE))
        document.setdefault("benign_emoji", list(_EMOJI_BENIGN))
        code = document.pop("language")
        forms = tuple(document.pop("forms", _FORMS.get(code, ("g",))))
        found.append(Language(code, forms, document))
    return found


def lines(seed: int) -> list[Line]:
    """Some tens of thousands of lines, disguised ones among them."""
    random_ = random.Random(seed)
    return [line for language in languages() for line in _of(language, random_)]


def _of(language: Language, random_: random.Random) -> Iterator[Line]:
    for kind, fills in _FILLS.items():
        frames = language.words.get(kind, [])
        if not frames:
            continue
        wanted = min(max(_FEWEST, fills * len(frames)), _MOST)
        said: dict[str, None] = {}
        for number in range(wanted * 2):
            said[_decorated(_filled(frames[number % len(frames)], kind, language, random_), language, random_)] = None
            if len(said) >= wanted:
                break
        for text in said:
            yield Line(normalise(_perhaps_disguised(text, random_)).text, _labels(kind, text), f"{SOURCE}")


def _filled(frame: str, kind: str, language: Language, random_: random.Random) -> str:
    pool = "others" if kind == "object_abuse" else "groups"
    forms = [form.strip() for form in random_.choice(language.words[pool]).split(" | ")]
    values = dict(zip(language.forms, forms, strict=False))
    values["o"] = forms[0]
    if values.get("j", "-")[0] in _VOWELS:
        frame = _ARTICLE.sub("an ", frame)
    for name, words in (("f", "foes"), ("n", "names"), ("s", "sites")):
        values[name] = random_.choice(language.words[words])
    return frame.format(**values)


def _decorated(text: str, language: Language, random_: random.Random) -> str:
    text = random_.choice(language.words["openers"]) + text + random_.choice(language.words["closers"])
    if random_.random() < _BESIDE_CHAT:
        beside = random_.choice(language.words["chat"])
        text = f"{beside} {text}" if random_.random() < 0.5 else f"{text} {beside}"  # noqa: PLR2004 - before or after
    return text


def _perhaps_disguised(text: str, random_: random.Random) -> str:
    return disguised(text, random_) if random_.random() < _DISGUISED else text


def _labels(kind: str, text: str) -> tuple[float, ...]:
    known = _KNOWN.get(kind, {})
    labels = {category: known.get(category, 0.0) for category in CATEGORIES}
    if kind != "profane_positive":
        swears = _SWEARING.search(text) is not None
        if swears or kind in ("insult", "wish_harm", "sexual"):
            labels["platform.profanity"] = _UNKNOWN
        if swears and labels["toxicity"] == 0:
            labels["toxicity"] = _UNKNOWN
    return tuple(labels[category] for category in CATEGORIES)
