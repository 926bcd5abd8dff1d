"""The disguises people type: leetspeak, stretched letters, letters set apart. Each step maps characters and where they
came from to the same, shorter or as long."""

from __future__ import annotations

import re

Stepped = tuple[list[str], list[int]]

_LEET = {"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "@": "a", "$": "s", "!": "i", "|": "i", "+": "t"}
_LEET_INSIDE = re.compile(r"(?<=[^\W\d_])[0134570@$!|+]{1,4}(?=[^\W\d_])")
"""Between letters: `k1ll`, `b00bs`. Numbers beside words (`level5`, `2v2`, `1337`) stay."""
_LEET_FIRST = re.compile(r"(?<!\S)(?:[345$](?=[a-z]{3})|@(?=ss|rse|nal)|@\$\$)")
"""A sign or digit that begins a word. `@` before a name is a mention, so only before what it is used for."""
_LEET_LAST = re.compile(r"(?<=[a-z])[$@]{1,3}(?!\S)")
_STRETCHED = re.compile(r"(\S)\1{2,}")
_DOUBLED_LETTERS = frozenset("eolsfrtn")
"""Those that English doubles: `nooob` is `noob`, but `shiiit` is `shit`."""
_SPACED = re.compile(r"(?<!\w)[^\W\d_](?:[ ._*~\-][^\W\d_]){2,}(?!\w)")


def undo_leetspeak(characters: list[str], origins: list[int]) -> Stepped:
    """Digits and signs that stand for letters, only where letters are around them."""
    for pattern in (_LEET_INSIDE, _LEET_FIRST, _LEET_LAST):
        # Anew each time: `5h1t` begins with a digit that only counts once the middle is letters.
        for match in pattern.finditer("".join(characters)):
            for position in range(match.start(), match.end()):
                characters[position] = _LEET[characters[position]]
    return characters, origins


def shorten_runs(characters: list[str], origins: list[int]) -> Stepped:
    """Three and more of the same become one, or two where the letter is often doubled; signs and digits keep three."""
    text = "".join(characters)
    dropped: set[int] = set()
    for match in _STRETCHED.finditer(text):
        character = match[1]
        keep = 3 if not character.isalpha() else 2 if character in _DOUBLED_LETTERS else 1
        dropped.update(range(match.start() + keep, match.end()))
    return _without(characters, origins, dropped)


def join_spaced(characters: list[str], origins: list[int]) -> Stepped:
    """`k i l l` and `k.i.l.l` become `kill`. Two spaces end a word."""
    text = "".join(characters)
    dropped: set[int] = set()
    for match in _SPACED.finditer(text):
        dropped.update(range(match.start() + 1, match.end(), 2))
    return _without(characters, origins, dropped)


def _without(characters: list[str], origins: list[int], dropped: set[int]) -> Stepped:
    if not dropped:
        return characters, origins
    kept = [position for position in range(len(characters)) if position not in dropped]
    return [characters[position] for position in kept], [origins[position] for position in kept]
