"""The ways in which people hide words, for training lines. Each takes a text and a source of chance, and keeps the label."""

from __future__ import annotations

import random
from collections.abc import Callable

_LEET = str.maketrans("oieast", "0134$7")
_LOOKALIKE = str.maketrans("aeocpx", "аеосрх")  # noqa: RUF001 - the look-alikes are the point
_ZERO_WIDTH = "\u200b\u200c\u200d\u2060"
_SPRINKLE = "😂🤣💀😭🙄🔥✨👀😡🤔👏❤🥰😍🙏💯🤡😤😈"
_VOWELS = "aeiou"
_SHORTEST = 4


def _one_word(text: str, random_: random.Random, change: Callable[[str], str]) -> str:
    words = text.split(" ")
    long = [position for position, word in enumerate(words) if len(word) >= _SHORTEST and word.isalpha()]
    if not long:
        return text
    for chosen in random_.sample(long, min(len(long), random_.choice((1, 1, 2)))):
        words[chosen] = change(words[chosen])
    return " ".join(words)


def swap_letters(text: str, random_: random.Random) -> str:
    """`kill` → `klil`: neighbours inside a word."""

    def change(word: str) -> str:
        at = random_.randrange(1, len(word) - 2)
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]

    return _one_word(text, random_, change)


def drop_letter(text: str, random_: random.Random) -> str:
    """`people` → `peple`."""

    def change(word: str) -> str:
        at = random_.randrange(1, len(word))
        return word[:at] + word[at + 1 :]

    return _one_word(text, random_, change)


def star_letter(text: str, random_: random.Random) -> str:
    """`idiot` → `id*ot`."""

    def change(word: str) -> str:
        vowels = [at for at, letter in enumerate(word) if at and letter in _VOWELS] or [len(word) // 2]
        at = random_.choice(vowels)
        return word[:at] + random_.choice("**#_-.") + word[at + 1 :]

    return _one_word(text, random_, change)


def part_word(text: str, random_: random.Random) -> str:
    """`moron` → `mo ron`, `mo.ron`."""

    def change(word: str) -> str:
        at = random_.randrange(1, len(word) - 1)
        return word[:at] + random_.choice("  .-_*") + word[at:]

    return _one_word(text, random_, change)


def space_word(text: str, random_: random.Random) -> str:
    """`kill` → `k i l l`."""
    return _one_word(text, random_, random_.choice((" ", ".", "-", "_")).join)


def join_words(text: str, random_: random.Random) -> str:
    """`kill them all` → `killthemall`, here or everywhere."""
    words = text.split(" ")
    if len(words) > 8 or random_.random() < 0.5:  # noqa: PLR2004 - nobody writes a paragraph without spaces
        at = random_.randrange(len(words))
        return " ".join([*words[:at], "".join(words[at : at + 3]), *words[at + 3 :]])
    return "".join(words)


def write_leet(text: str, random_: random.Random) -> str:
    """`idiot` → `1d10t`."""
    if random_.random() < 0.5:  # noqa: PLR2004 - all of it or a word of it
        return text.translate(_LEET)
    return _one_word(text, random_, lambda word: word.translate(_LEET))


def look_alike(text: str, _: random.Random) -> str:
    """Cyrillic letters that look Latin."""
    return text.translate(_LOOKALIKE)


def stretch(text: str, random_: random.Random) -> str:
    """`die` → `diiiie`."""
    return "".join(c * (random_.randint(3, 6) if c in _VOWELS and random_.random() < 0.4 else 1) for c in text)  # noqa: PLR2004


def hide_between(text: str, random_: random.Random) -> str:
    """Characters without width inside words."""
    return "".join(c + (random_.choice(_ZERO_WIDTH) if c.isalpha() and random_.random() < 0.3 else "") for c in text)  # noqa: PLR2004


WAYS: tuple[Callable[[str, random.Random], str], ...] = (
    swap_letters, drop_letter, star_letter, part_word, space_word, join_words, write_leet, look_alike, stretch, hide_between,
)  # fmt: skip
LASTING: tuple[Callable[[str, random.Random], str], ...] = (
    swap_letters,
    drop_letter,
    star_letter,
    part_word,
    join_words,
)
"""What normalising does not undo: these must be learned."""


def disguised(text: str, random_: random.Random) -> str:
    """In one of the ways."""
    return random_.choice(WAYS)(text, random_)


def roughened(text: str, random_: random.Random) -> str:
    """In one of the ways that last, for text that is normalised already."""
    return random_.choice(LASTING)(text, random_)


def sprinkled(text: str, random_: random.Random) -> str:
    """With an emoji or three, at its end or between two words, that say nothing of what is meant."""
    pictures = "".join(random_.choices(_SPRINKLE, k=random_.choice((1, 1, 2, 3))))
    words = text.split(" ")
    at = random_.choice((len(words), random_.randrange(len(words) + 1)))
    return " ".join([*words[:at], pictures, *words[at:]])
