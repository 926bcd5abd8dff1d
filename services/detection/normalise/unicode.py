"""Unicode's disguises: compatibility forms, invisible characters, piled-up marks, look-alike letters."""

from __future__ import annotations

import json
import re
import unicodedata
from functools import lru_cache
from pathlib import Path

import confusable_homoglyphs

_LONGEST_EXPANSION = 8
"""A single character can stand for eighteen (U+FDFA); a text must not grow without bound."""
_MOST_MARKS = 2
_LATIN_LIKE = ("LATIN", "CYRILLIC", "GREEK")
_TATWEEL = "\u0640"
"""Stretches Arabic words; says nothing."""
_LETTER_PICTURES = (0x1F150, 0x1F170)
"""White letters in black circles and squares, which have no compatibility form."""
_WORD = re.compile(r"[^\W_]+")


def fold(text: str) -> tuple[list[str], list[int]]:
    """Lower-cased compatibility form, without what cannot be seen. Returns characters and where each came from."""
    characters: list[str] = []
    origins: list[int] = []
    marks = 0
    for position, original in enumerate(text):
        for character in _folded(original):
            if unicodedata.combining(character):
                marks += 1
                if characters and _compose(characters, character):
                    continue
                if marks > _MOST_MARKS or not characters or _is_latin_like(characters[-1]):
                    continue
            else:
                marks = 0
            characters.append(character)
            origins.append(position)
    return characters, origins


@lru_cache(maxsize=8192)
def _folded(character: str) -> str:
    if character in "\t\n\r\x0b\x0c\u2028\u2029":
        return " "
    if character == _TATWEEL or unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn"):
        return ""
    for first in _LETTER_PICTURES:
        if first <= ord(character) < first + 26:
            return chr(ord(character) - first + ord("a"))
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", character).casefold())
    return folded[:_LONGEST_EXPANSION]


def _compose(characters: list[str], mark: str) -> bool:
    composed = unicodedata.normalize("NFC", characters[-1] + mark)
    if len(composed) == 1:
        characters[-1] = composed
        return True
    return False


@lru_cache(maxsize=8192)
def _is_latin_like(character: str) -> bool:
    return unicodedata.name(character, "").startswith(_LATIN_LIKE)


def undo_lookalikes(characters: list[str]) -> list[str]:
    """Letters of other scripts that look like Latin ones become Latin, in words that mix scripts, and in words made of
    look-alikes alone among Latin ones. A word in its own script stays."""
    text = "".join(characters)
    words = [(match.start(), match.end()) for match in _WORD.finditer(text)]
    latin = sum(text[start:end].isascii() and text[start:end].isalpha() for start, end in words)
    foreign = sum(not any(_LOOKALIKES.get(c) or c.isascii() for c in text[start:end]) for start, end in words)
    for start, end in words:
        word = text[start:end]
        if word.isascii():
            continue
        mixed = any("a" <= character <= "z" for character in word)
        alone = latin > foreign and all(character in _LOOKALIKES for character in word)
        if mixed or alone:
            table = _IN_MIXED_WORDS if mixed else _LOOKALIKES
            characters[start:end] = [table.get(character, character) for character in word]
    return characters


def _load_lookalikes() -> dict[str, str]:
    """Lower-case letters of other scripts → the Latin letter they look like (Unicode TR 39, by way of its package)."""
    data = json.loads((Path(confusable_homoglyphs.__file__).parent / "confusables.json").read_text())
    found: dict[str, str] = {}
    for character, alike in data.items():
        if len(character) != 1 or character.isascii() or not character.isalpha() or character != character.lower():
            continue
        if unicodedata.name(character, "").startswith("LATIN"):
            continue
        for one in alike:
            if len(one["c"]) == 1 and one["c"].isascii() and one["c"].isalpha():
                found[character] = one["c"].lower()
                break
    return found


_LOOKALIKES = _load_lookalikes()
_IN_MIXED_WORDS = {**dict(zip("ктмнв", "ktmhb", strict=True)), **_LOOKALIKES}
"""Letters whose capitals look alike: enough where Latin letters stand beside them."""
