"""The ways in which a term may be written that a normalised text still shows: one pattern for all that an entry asks for.

Normalising has undone what is certain (`k1ll`, `f.u.c.k`, `shiiit`, look-alike letters); what is left here would be a guess in
ordinary words (`level5`, `c*t`), so a list asks for it term by term.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

import re2

_LEET = {"a": "4", "b": "8", "e": "3", "g": "69", "i": "1", "l": "1", "o": "0", "s": "5z", "t": "7", "u": "v", "z": "2"}
_SIGNS = r"*#%_.?\-"
_MOST_SIGNS = 6
_FEWEST_TO_HIDE = 4
"""Of `c*t` nobody knows what it was."""
_LETTERS = r"[\pL\pM\pN]"
_ENDING = r"(?:'?[sz]|e[sd]|er[sz]?|ing?s?|y)?"
_ENDING_AFTER_E = r"(?:e(?:'?[sz]|d|r[sz]?)?|ing?s?|y)"
_BEGINS = "*"


class Variant(StrEnum):
    """A way of writing."""

    LEET = "leet"
    """Digits for letters at its ends too, and letters for letters: `a55`, `8oot`, `fvn`."""
    MASKED = "masked"
    """Inner letters hidden by signs: `f**k`, `sh*t`. For terms of four letters and more."""
    ENDINGS = "endings"
    """English plurals, tenses and the like: `darned`, `darning`, `darner`."""
    JOINED = "joined"
    """Words of the term written as one, or with a sign between them: `killyourself`, `kill-yourself`."""


def pattern_of(term: str, variants: Collection[Variant]) -> str:
    """RE2 for a normalised term. What it finds must still be looked at: a whole word is one in any script, here in ASCII."""
    begins = term.endswith(_BEGINS)
    words = [word for word in term.removesuffix(_BEGINS).split(" ") if word]
    written = [_word(word, variants, ends=number == len(words) and not begins) for number, word in enumerate(words, 1)]
    between = r"(?:\s+|[_*.\-]?)" if Variant.JOINED in variants else r"\s+"
    return _edge(term[0]) + between.join(written) + (f"{_LETTERS}*" if begins else _edge(words[-1][-1]))


def _edge(letter: str) -> str:
    return r"\b" if letter.isascii() and letter.isalnum() else ""


def _word(word: str, variants: Collection[Variant], *, ends: bool) -> str:
    ending = ""
    if ends and Variant.ENDINGS in variants and word.isascii() and word.isalpha() and len(word) > 1:
        silent = word.endswith("e")
        ending, word = (_ENDING_AFTER_E, word[:-1]) if silent else (f"{_letter(word[-1], variants)}?{_ENDING}", word)
    plain = "".join(_letter(letter, variants) for letter in word)
    if Variant.MASKED not in variants or len(word) < _FEWEST_TO_HIDE:
        return plain + ending
    inner = "".join(_letter(letter, variants, or_sign=_SIGNS) for letter in word[1:-1])
    first, last = _letter(word[0], variants), _letter(word[-1], variants)
    return f"{first}(?:{inner}|[{_SIGNS}]{{1,{_MOST_SIGNS}}}){last}{ending}"


def _letter(letter: str, variants: Collection[Variant], *, or_sign: str = "") -> str:
    others = (_LEET.get(letter, "") if Variant.LEET in variants else "") + or_sign
    return f"[{re2.escape(letter)}{others}]" if others else re2.escape(letter)
