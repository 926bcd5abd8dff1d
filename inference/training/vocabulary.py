"""Which of the encoder's 250,000 pieces are worth their bytes, and the tokenizer over them.

Texts arrive lower-cased, so pieces with capitals can never be used. Of the others, those seen in training lines stay,
and the most frequent ones (pieces come with log-probabilities) in the scripts of the languages that are served.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from tokenizers import Tokenizer, models, pre_tokenizers, processors

from inference.training.pretrained import Pretrained

SPECIAL = ("<pad>", "<s>", "</s>", "<unk>")
"""Ids 0 to 3. Padding is 0: the mask is where ids are not."""
_SCRIPTS = ("LATIN", "CYRILLIC", "ARABIC", "DEVANAGARI", "CJK", "HIRAGANA", "KATAKANA", "HANGUL")
_SHARES = {"LATIN": 0.47, "CYRILLIC": 0.13, "ARABIC": 0.08, "DEVANAGARI": 0.16, "CJK": 0.03, "HIRAGANA": 0.02,
           "KATAKANA": 0.01, "HANGUL": 0.10}  # fmt: skip
"""Of the places that training lines leave: mostly for languages without labelled lines."""
_OFTEN = 2
"""A piece that stands in one line only is left to its smaller pieces."""


def full_tokenizer(found: Pretrained) -> Tokenizer:
    """All pieces, for counting."""
    return _tokenizer([(piece, float(score)) for piece, score in zip(found.pieces, found.piece_scores, strict=True)], 3)


def choose(found: Pretrained, seen: Mapping[int, int], size: int) -> list[int]:
    """The numbers of the pieces to keep, the four special ones first; `seen` says how
    often training lines use a piece."""
    kept = {1: None, 0: None, 2: None, 3: None}
    usable = {number: _script(piece) for number, piece in enumerate(found.pieces) if number > 3 and _is_lower(piece)}  # noqa: PLR2004
    kept.update(dict.fromkeys(number for number in sorted(seen) if number in usable and seen[number] >= _OFTEN))
    room = size - len(kept)
    quota = {script: int(share * room) for script, share in _SHARES.items()}
    quota[""] = room - sum(quota.values())
    for number, script in usable.items():  # pieces are in the order of their frequency
        if number in kept:
            continue
        if quota.get(script, 0) > 0:
            quota[script] -= 1
            kept[number] = None
    return list(kept)


def tokenizer_of(found: Pretrained, rows: list[int]) -> Tokenizer:
    """Over the kept pieces, ids as positions in `rows`."""
    pieces = [(found.pieces[number], float(found.piece_scores[number])) for number in rows]
    return _tokenizer(pieces, SPECIAL.index("<unk>"))


def _tokenizer(pieces: list[tuple[str, float]], unknown: int) -> Tokenizer:
    made = Tokenizer(models.Unigram(pieces, unk_id=unknown, byte_fallback=False))
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        special_tokens=[(name, made.token_to_id(name)) for name in ("<s>", "</s>")],
    )
    return made


def _is_lower(piece: str) -> bool:
    return piece == piece.lower() and piece not in SPECIAL


def _script(piece: str) -> str:
    """Of the piece's letters; empty for signs and emoji, `other` for scripts that are not served."""
    letters = [character for character in piece if character.isalpha()]
    if not letters:
        return ""
    name = unicodedata.name(letters[0], "")
    return next((script for script in _SCRIPTS if name.startswith(script)), "other")
