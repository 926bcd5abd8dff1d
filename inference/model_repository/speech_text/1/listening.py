"""What is made of Whisper's answers: which are words, and which are what it says when there are none."""

import math
import zlib
from dataclasses import dataclass

_TOKENS_A_SECOND = 8
"""Who speaks fast says six."""
_TOKENS_BESIDES = 10
_MOST_TOKENS = 224
"""Half of what the model can look back on: its own bound."""
_CIRCLES = 2.4
"""Text that zlib makes so many times smaller repeats itself."""
_SILENT, _UNSURE = 0.6, -1.0
"""Whisper's own rule: nobody speaks if it says so by more than the one and is less sure of its words than the other."""


@dataclass(frozen=True)
class Attempt:
    """One answer of the model."""

    words: str
    score: float
    """Mean logarithm of its tokens' probabilities."""
    no_speech: float
    """How likely it holds that nobody speaks."""
    cut: bool
    """It had more to say than it may."""

    @property
    def circles(self):
        """Whether it went round and round."""
        return self.cut or _repeats(self.words)


def settled(attempt):
    """(words, confidence, no_speech, state)."""
    confidence = math.exp(min(0.0, attempt.score))
    if attempt.no_speech > _SILENT and attempt.score < _UNSURE:
        return "", confidence, attempt.no_speech, "silent"
    if not attempt.words:
        return "", confidence, attempt.no_speech, "silent"
    if _repeats(attempt.words):
        return "", confidence, attempt.no_speech, "unclear"
    return attempt.words, confidence, attempt.no_speech, "heard"


def longest_answer(seconds):
    """Tokens, prompt and all, that so much speech may have."""
    return min(_MOST_TOKENS, _TOKENS_BESIDES + math.ceil(_TOKENS_A_SECOND * seconds))


def words_of(tokens):
    """The text of byte-pair tokens, without the special ones; what is no UTF-8 is left out."""
    plain = "".join(token for token in tokens if not token.startswith("<|"))
    return bytes(_BYTES[letter] for letter in plain if letter in _BYTES).decode("utf-8", "ignore").strip()


def _repeats(words):
    encoded = words.encode()
    return len(encoded) > _CIRCLES * len(zlib.compress(encoded))


def _byte_letters():
    """Byte-level tokens write every byte as a letter: most as what it is in Latin-1, the others from U+0100 on."""
    printed = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [value for value in range(0x100) if value not in printed]
    return {chr(value): value for value in printed} | {chr(0x100 + at): value for at, value in enumerate(others)}


_BYTES = _byte_letters()
